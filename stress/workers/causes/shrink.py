"""Finds the smallest form of a failure that is to be had in a limited time.

Two searches work on it. From the small end, breadth first over switches: the smallest programs that
there are (:meth:`stress.scenario.Scenario.smallest`) are executed under all schedules with few
preemptions; then the parameter sets of its scenario, from the smallest world on, and the smallest
ones of every other, which are sampled too. By deletion: what was found there, and the failure
itself, loses whatever it fails without. What counts is the fewest actors, then switches, then
steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sim.core.errors import SimError
from stress.catalogue import CATALOGUE, Catalogue
from stress.errors import Divergence, UsageError
from stress.strategies.pct import Pct
from stress.strategies.prefix import Prefix
from stress.workers.causes.attempts import ANY, Attempts, Deadline, Size, Tapes, opened, size_of
from stress.workers.causes.few import few_switches, schedules_nr
from stress.workers.causes.smaller import smaller

if TYPE_CHECKING:
    from stress.case import Case
    from stress.native.runner import Library
    from stress.trace.record import Trace

SECONDS = 30.0
"""How long a failure is shrunk, unless another time is given."""

PREEMPTIONS_MAX = 2
"""All schedules with so many preemptions are tried, and with fewer."""

ALL_MAX, ALL_PYTHON_MAX = 20_000, 500
"""But of a parameter set in which they are more than this, those with fewer only: natively, and in
Python.
"""

SAMPLES, SAMPLES_PYTHON = 8_000, 50
"""Executions by which a parameter set is sampled in the first round, natively and in Python."""

OTHERS_MAX = 3
"""Parameter sets of each other scenario that are searched, the smallest."""

ROUNDS, SAMPLE_GROWTH = 3, 4
"""Rounds over the parameter sets; in each there are so many times as many samples as in the last."""


@dataclass(frozen=True)
class Shrunk:
    """The smallest form of a failure that was found."""

    trace: Trace
    before: Size
    after: Size
    executions: int
    ended: str
    """Why it was not searched further."""


class Shrinking:
    """Shrinks one failure. ``keep`` is told of each form that is the smallest so far.

    ``library`` is the kernel of the trace's case, compiled, if it is.
    """

    def __init__(
        self,
        trace: Trace,
        deadline: Deadline,
        library: Library | None = None,
        catalogue: Catalogue = CATALOGUE,
        keep: Callable[[Trace], None] = lambda trace: None,
    ) -> None:
        self.best, self.deadline, self.library = trace, deadline, library
        self.catalogue, self.keep = catalogue, keep
        self.before = self.size = size_of(trace.schedule)
        self.searched = 0
        """Parameter sets."""

    async def run(self) -> Shrunk:
        """Search until all is tried, or the time is up. Raises UsageError for a trace that is of no
        violation in the course of an execution, and Divergence if it does not replay.
        """
        trace = self.best
        if trace.ending.kind != "violation" or trace.setup:
            where = "in the setup, before any actor runs" if trace.setup else f"{trace.ending.kind}"
            raise UsageError(f"the trace ends {where}: there is no schedule to shrink")
        async with self.opened(trace.case) as attempts:
            if not attempts.follow(trace.schedule, trace.tapes):
                raise Divergence("the trace's schedule does not show its failure any more; zapstress replay says why")
            self.settle(attempts)
        await self.search_programs()
        for factor, cases in self.rounds():
            for at, case in enumerate(cases):
                await self.search(case, factor, self.deadline.left_s / (len(cases) - at))
        return Shrunk(self.best, self.before, self.size, self.deadline.tried, self.ended())

    def rounds(self) -> Iterator[tuple[int, list[Case]]]:
        """Yield what is searched: by how many times as many samples as at first, and which cases.

        Other scenarios are looked at once, after the failure's own; the last rounds are of the
        scenario whose form is the smallest by then.
        """
        own = self.best.case.scenario
        others = [name for name in self.catalogue.scenarios() if name != own]
        yield 1, self.cases(own)
        yield 1, [case for name in others for case in self.cases(name)[:OTHERS_MAX]]
        for number in range(1, ROUNDS):
            yield SAMPLE_GROWTH**number, self.cases(self.best.case.scenario)

    def opened(self, case: Case) -> AbstractAsyncContextManager[Attempts]:
        """Open a case to try schedules in it."""
        return opened(case, self.library, self.best.ending.signature, self.deadline, self.catalogue)

    def ended(self) -> str:
        """Return why nothing more is tried."""
        tried = f"{self.deadline.tried:,} executions"
        if self.deadline.over:
            return f"the time was up after {tried}; no change of the form that was tried makes it smaller"
        return (
            f"nothing smaller in {tried}: no single change of the form, no schedule with up to {PREEMPTIONS_MAX}"
            f" preemptions in {self.searched} parameter sets, and no sample of them"
        )

    # -- deletion --------------------------------------------------------------------------------------------------

    def settle(self, attempts: Attempts) -> None:
        """Delete from the best form of a case whatever it fails without; keep it if it is the
        smallest of all.
        """
        while attempts.best is not None and self.delete(attempts, attempts.best):
            pass
        if attempts.best is not None and attempts.size < self.size:
            self.best, self.size = attempts.best, attempts.size
            self.keep(self.best)

    def delete(self, attempts: Attempts, trace: Trace) -> bool:
        """Make one change that keeps the failure; return whether there was one."""
        for runs, tapes in smaller(trace.schedule, trace.tapes):
            if self.deadline.over:
                return False
            if attempts.follow(runs, tapes):
                return True
        return False

    # -- from the small end ----------------------------------------------------------------------------------------

    def cases(self, scenario: str) -> list[Case]:
        """Return the cases of a scenario under the failure's kernel, the smallest worlds first."""
        case = replace(self.best.case, scenario=scenario)
        shape = self.catalogue.profile(case.profile).at(case.kernel)
        made = self.catalogue.scenario_class(scenario)

        def room(params: dict[str, int]) -> tuple[int, int, int]:
            world = made(shape, case.geometry, params).world()
            return world.vpages, world.pages, sum(params.values())

        sets = sorted(self.catalogue.parameters(scenario, shape, case.geometry), key=room)
        return [replace(case, params=tuple(sorted(params.items()))) for params in sets]

    async def search_programs(self) -> None:
        """Execute the smallest programs of all scenarios: all of them without a preemption, then
        with one, and so on, for half of the time that is left at most.
        """
        end = self.deadline.part(self.deadline.left_s / 2)
        programs = [case for name in self.catalogue.scenarios() for case in self.programs(name)]
        for preemptions in range(PREEMPTIONS_MAX + 1):
            alone: set[Case] = set()
            for case in programs:
                if end.over or preemptions > self.size.switches:
                    return
                with suppress(SimError):
                    if not await self.search_program(case, preemptions):
                        alone.add(case)
            programs = [case for case in programs if case not in alone]

    def programs(self, scenario: str) -> Iterator[Case]:
        """Yield the smallest programs of a scenario, under the failure's kernel."""
        case = replace(self.best.case, scenario=scenario)
        shape = self.catalogue.profile(case.profile).at(case.kernel)
        for params in self.catalogue.smallest(scenario, shape, case.geometry):
            yield replace(case, params=tuple(sorted(params.items())))

    async def search_program(self, case: Case, preemptions: int) -> bool:
        """Execute a program under all schedules with so many preemptions; return whether schedules
        with more could make a difference.
        """
        async with self.opened(case) as attempts:
            threads = sum(not actor.daemon for actor in attempts.runner.actors)
            if attempts.runner.failed is not None or threads > self.size.actors:
                return False
            self.searched += preemptions == 0
            attempts.size = self.size._replace(steps=ANY)
            self.try_with(attempts, self.lengths(attempts, {}), preemptions, {})
            self.settle(attempts)
            return threads > 1

    async def search(self, case: Case, factor: int, seconds: float) -> None:
        """Look for a smaller form in a case, for some seconds at most, by ``factor`` times as many
        samples as at first.
        """
        if not self.deadline.over:
            with suppress(SimError):  # a patch need not fit a scenario that did not show the failure
                await self._search(case, factor, seconds)

    async def _search(self, case: Case, factor: int, seconds: float) -> None:
        async with self.opened(case) as attempts:
            if attempts.runner.failed is not None:
                return
            self.searched += factor == 1
            attempts.deadline = self.deadline.part(seconds)
            mine = self.best.tapes if case == self.best.case else {}
            for tapes in [{}, mine] if any(map(any, mine.values())) else [{}]:
                self.sample(attempts, factor, tapes)
                if factor == 1:
                    self.try_all(attempts, tapes)
            self.settle(attempts)
            self.deadline.tried += attempts.deadline.tried

    def sample(self, attempts: Attempts, factor: int, tapes: Tapes) -> None:
        """Execute a case under PCT, which switches seldom."""
        count = SAMPLES if attempts.native is not None else SAMPLES_PYTHON
        attempts.sample(Pct(), self.best.seed * factor, count * factor, tapes)

    def try_all(self, attempts: Attempts, tapes: Tapes) -> None:
        """Execute all schedules with few preemptions; once one fails, only those with as few."""
        lengths = self.lengths(attempts, tapes)
        for preemptions in range(PREEMPTIONS_MAX + 1):
            if preemptions > attempts.size.switches or not self.try_with(attempts, lengths, preemptions, tapes):
                return

    def lengths(self, attempts: Attempts, tapes: Tapes) -> Counter[int]:
        """Return how many steps each actor makes when nobody interrupts it."""
        outcome = attempts.outcome(Prefix(), 0, tapes)
        lengths = Counter[int]()
        for slot, steps in outcome.schedule() if outcome is not None else ():
            lengths[slot] += steps
        return lengths

    def try_with(self, attempts: Attempts, lengths: Counter[int], preemptions: int, tapes: Tapes) -> bool:
        """Execute all schedules with so many preemptions; return whether they were all executed."""
        most = ALL_MAX if attempts.native is not None else ALL_PYTHON_MAX
        if schedules_nr(lengths, preemptions) > most:
            return False
        for runs in few_switches(lengths, preemptions):
            attempts.follow(runs, tapes)
            if attempts.deadline.over:
                return False
        return True
