"""Explains a failure: the orderings without which it goes away, and the chance of it from each step
on.

The orderings are found at the switches of the schedule. Where the turn goes from X to Y, as few of
X's last steps as cure it are put behind as few of Y's first as cure it: what was swapped last is
the ordering. Where the execution ends, in a step of Y, the others are let go on first, by as few
steps as cure it. Each is therefore the least change at its place, and verified by the execution
that was made to find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from stress.errors import Divergence, UsageError
from stress.execution.signature import signature_of
from stress.execution.steps import steps
from stress.strategies.prefix import Prefix
from stress.trace.explanation import Explanation, Ordering, beliefs, moment, sentence
from stress.trace.replay import replay, trusted
from stress.trace.report import selection
from stress.workers.causes.attempts import ANY, Attempts, Deadline, Runs, opened
from stress.workers.causes.chances import chances_of

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.execution.steps import Step
    from stress.native.runner import Library
    from stress.trace.record import Trace

SECONDS = 20.0
"""How long a failure is explained, unless another time is given."""

SWAPPED_MAX = 64
"""Steps of each actor that are put behind another's, at most."""

HELD_MAX = 200
"""Steps that others make before the failing one, at most."""


async def explain(trace: Trace, deadline: Deadline, library: Library | None, catalogue: Catalogue) -> Explanation:
    """Return why a trace fails, best of one that is shrunk.

    Raises UsageError for a trace that is of no violation in the course of an execution, and
    Divergence if it does not replay.
    """
    if trace.ending.kind != "violation" or trace.setup or not trace.steps:
        raise UsageError("the trace is of no violation in the course of an execution: there is nothing to explain")
    async with replay(trace, trusted(trace.case, driver="plain"), catalogue) as again:
        if signature_of(again.outcome) != trace.ending.signature:
            raise Divergence("the trace does not end as it says; zapstress replay says at which step it differs")
        made = list(steps(again.outcome.finished))
        violation = again.outcome.verdict.violation
        columns = again.outcome.finished.arena.columns
        places = [place[:2] for place in violation.locations] if violation is not None else []
        locations = [(name, i, columns[name].view[i]) for name, i in places if name in columns]
        shown = tuple(map(moment, selection(made, violation)))
    async with opened(trace.case, library, trace.ending.signature, deadline, catalogue) as attempts:
        found = tuple(_Orderings(trace, made, attempts).all())
        complete = not deadline.over
        continuations, chances = chances_of(trace, attempts)
    words = sentence(found, moment(made[-1]), trace.ending.message, complete)
    return Explanation(words, found, chances, continuations, beliefs(made, locations), complete, shown)


class _Orderings:
    """Looks for the orderings of one trace; ``made`` are its steps."""

    def __init__(self, trace: Trace, made: list[Step], attempts: Attempts) -> None:
        self.trace, self.made, self.attempts = trace, made, attempts
        self.runs = list(trace.schedule)
        self.starts = [0, *accumulate(steps for _, steps in self.runs)]

    def all(self) -> Iterator[Ordering]:
        """Yield the orderings, one for each switch that has one, and those of the end."""
        for at in range(len(self.runs) - 1):
            yield from self.at_switch(at)
        yield from self.at_end()

    def at_switch(self, at: int) -> Iterator[Ordering]:
        """Yield the ordering between the run ``at`` and the next: a step that must be before
        another's.
        """
        (one, most), (other, ahead_most) = self.runs[at], self.runs[at + 1]
        rest = self.runs[at + 2 :]
        for back in range(1, min(most, SWAPPED_MAX) + 1):
            for ahead in range(1, min(ahead_most, SWAPPED_MAX) + 1):
                head = [*self.runs[:at], (one, most - back), (other, ahead)]
                tail = [(one, back), (other, ahead_most - ahead), *rest]
                a, b = self.starts[at + 1] - back, self.starts[at + 1] + ahead - 1
                if (found := self.swapped(head, tail, a, b)) is not None:
                    yield found
                    return

    def at_end(self) -> Iterator[Ordering]:
        """Yield the ordering of the last step: before one of another actor, that comes too late."""
        last = self.runs[-1]
        head = [*self.runs[:-1], (last[0], last[1] - 1)]
        others = [slot for slot in self.slots() if slot != last[0]]
        for first in sorted({slot for slot, _ in self.runs} - {last[0]}):
            order = [first, *(slot for slot in others if slot != first)]
            outcome = self.execute([*head, *((slot, ANY) for slot in order)])
            if outcome is None or signature_of(outcome) == self.trace.ending.signature:
                continue
            held = after(outcome.schedule(), self.trace.steps - 1)
            if (found := self.held_back(head, held, last[0])) is not None:
                yield found
                return

    def slots(self) -> list[int]:
        """Return the slots of all actors."""
        return [actor.slot for actor in self.attempts.runner.actors]

    def held_back(self, head: Runs, held: Runs, last: int) -> Ordering | None:
        """Return the ordering between the last step and the first step of others that cures it:
        they make the runs ``held`` until the actor of the last step has its turn.
        """
        behind: list[tuple[int, int]] = []
        for slot, steps_nr in held:
            if slot == last:
                return None
            for nr in range(1, steps_nr + 1):
                if sum(n for _, n in behind) + nr > HELD_MAX or self.attempts.deadline.over:
                    return None
                outcome = self.execute([*head, *behind, (slot, nr), (last, ANY)])
                if outcome is not None and signature_of(outcome) != self.trace.ending.signature:
                    step = list(steps(outcome.finished))[self.trace.steps - 2 + sum(n for _, n in behind) + nr]
                    return Ordering(moment(self.made[-1]), moment(step), ending(outcome), tuple(outcome.schedule()))
            behind.append((slot, steps_nr))
        return None

    def swapped(self, head: Runs, tail: Runs, a: int, b: int) -> Ordering | None:
        """Return the ordering of the steps ``a`` and ``b``, counted from 0, if the failure is gone
        where the schedule is ``head``, which ends with ``b``, and then ``tail``.
        """
        if self.attempts.deadline.over:
            return None
        outcome = self.execute([*head, *tail])
        if outcome is None or signature_of(outcome) == self.trace.ending.signature:
            return None
        end = sum(steps_nr for _, steps_nr in head)
        log = outcome.finished.machine.log
        if slots_of(outcome.schedule())[:end] != slots_of(head) or self.made[b].code != log[2 * end - 2]:
            return None
        return Ordering(moment(self.made[a]), moment(self.made[b]), ending(outcome), tuple(outcome.schedule()))

    def execute(self, runs: Runs) -> Outcome | None:
        """Execute a schedule with the trace's data, in Python, which alone says what a step is."""
        self.attempts.deadline.tried += 1
        return self.attempts.outcome(Prefix(runs), 0, self.trace.tapes)


def ending(outcome: Outcome) -> str:
    """Return how an execution ended: clean, inconclusive, or its signature."""
    return signature_of(outcome) or outcome.verdict.kind


def slots_of(runs: Runs) -> list[int]:
    """Return the slot that makes each step."""
    return [slot for slot, steps_nr in runs for _ in range(steps_nr)]


def after(runs: Sequence[tuple[int, int]], step: int) -> list[tuple[int, int]]:
    """Return the runs of the steps after the first ``step`` ones."""
    found = []
    for slot, steps_nr in runs:
        left = min(steps_nr, max(0, steps_nr - step))
        step = max(0, step - steps_nr)
        found += [(slot, left)] if left else []
    return found
