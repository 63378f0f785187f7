"""Films an execution: what each step changed in the arena, where every actor stood, in which calls.

State N is the arena after N steps and the plain code behind them, before step N+1 is made.
State 0 is the first: some actor has run up to its first step.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

import stress.machine
from sim.core.arena import WORD
from stress.execution.runner import composed
from stress.execution.steps import Step, steps
from stress.machine.base import RunningMachine
from stress.machine.livelock import running_frames
from stress.trace.record import Ending, ending_of
from stress.trace.replay import Mode, Replayed, compare, replay

if TYPE_CHECKING:
    from types import FrameType

    from sim.core.arena import Layout
    from sim.kernel import Kernel
    from stress.case import Case
    from stress.catalogue import Catalogue
    from stress.machine.scheduler import Scheduler
    from stress.trace.record import Trace

MACHINE = str(Path(stress.machine.__file__).parent)
"""Where primitives are: the calls that are shown end before them."""

Call = tuple[str, str, int]
"""A function, its file, and the line that it has come to."""


@dataclass(frozen=True)
class Standing:
    """Where the actors stood in a state, each by its slot: the scheduler's word for it, whether it
    was inside its body; and the slot and the calls of the actor that ran last.
    """

    states: tuple[int, ...]
    started: tuple[bool, ...]
    slot: int
    calls: tuple[Call, ...]


class Camera:
    """Looks at a machine before each step, and once at the end."""

    def __init__(self) -> None:
        self.first = array("q")
        """The words of the arena in state 0."""
        self.changes = array("q")
        """Three words a change: which word of the arena, its value before and after."""
        self.ends = array("q")
        """Where the changes that lead to each state end."""
        self.standings: list[Standing] = []
        self._last: Any = None
        """The arena in the state before, as a numpy array."""
        self._known: dict[Standing, Standing] = {}

    def look(self, machine: Scheduler) -> None:
        """Take the state that the machine is in."""
        frames = running_frames(RunningMachine.run_body.__code__)
        calls = tuple(map(call, (frame for frame in frames if not frame.f_code.co_filename.startswith(MACHINE))))
        self._take(machine, tuple(machine.started), calls)

    def end(self, machine: Scheduler) -> None:
        """Take the state at the end, when every actor has been unwound: those that had not come to
        the end of their bodies stood inside them.
        """
        if len(self.ends) <= machine.seq:
            inside = machine.verdict.kind != "clean" and self.standings
            self._take(machine, self.standings[-1].started if inside else tuple(machine.started), ())

    def _take(self, machine: Scheduler, started: tuple[bool, ...], calls: tuple[Call, ...]) -> None:
        block = machine.arena.block
        if not self.ends:
            self.first = array("q", bytes(block))
            self._last = numpy.frombuffer(bytearray(block), numpy.int64)
        self.changes.extend(differences(self._last, numpy.frombuffer(block, numpy.int64)))
        self.ends.append(len(self.changes))
        standing = Standing(tuple(machine.state), started, machine.current, calls)
        self.standings.append(self._known.setdefault(standing, standing))


def differences(before: Any, after: Any) -> list[int]:
    """Return three words for each that differs: where it is, its value before and after. ``before``
    becomes what ``after`` is.
    """
    places = numpy.flatnonzero(before != after)
    values = numpy.stack((places, before[places], after[places]), axis=1)
    before[places] = after[places]
    found: list[int] = values.ravel().tolist()
    return found


def call(frame: FrameType) -> Call:
    """Return where a frame stands."""
    return frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno


def settle(left: list[tuple[int, Step]], delta: int, step: Step) -> None:
    """Enter that a step has changed a word by ``delta`` into what is raised and not lowered yet."""
    while delta < 0 and left:
        own = [k for k, (_, other) in enumerate(left) if other.slot == step.slot]
        count, since = left.pop(own[-1] if own else -1)
        delta += count
        if delta > 0:
            left.append((delta, since))
            return
    if delta > 0:
        left.append((delta, step))


@dataclass(frozen=True)
class Film:
    """An execution, state by state. It needs no machine, and runs nothing."""

    trace: Trace
    case: Case
    """What was executed: the trace's, or with another kernel or patch."""
    kernel: Kernel
    """Not bound: it knows how large its world is, and where which cells are."""
    made: list[Step]
    """Step N+1 leads from state N to state N+1."""
    actors: dict[int, str]
    """The names of the actors, by slot."""
    daemons: frozenset[int]
    parked_at: dict[int, int]
    """The code of the step that each actor stood before at the end, by slot; 0: before none."""
    ending: Ending
    override_runs: Mapping[str, int]
    """How often each override of the patch has run."""
    camera: Camera = field(repr=False)

    @property
    def last(self) -> int:
        """The number of the last state, which is how many steps were made."""
        return len(self.made)

    @property
    def layout(self) -> Layout:
        """Where in the arena the columns lie."""
        return self.kernel.layout

    @cached_property
    def _changed_at(self) -> dict[int, list[int]]:
        """The states from 1 on that differ from the one before, by the word that differs."""
        found: dict[int, list[int]] = {}
        for state in range(1, self.last + 1):
            for word, _, _ in self.changes(state):
                found.setdefault(word, []).append(state)
        return found

    def changes(self, state: int) -> Iterator[tuple[int, int, int]]:
        """Yield what has changed since the state before: the word, its value before and after."""
        words, ends = self.camera.changes, self.camera.ends
        for at in range(ends[state - 1] if state else 0, ends[state], 3):
            yield words[at], words[at + 1], words[at + 2]

    def word(self, column: str, index: int) -> int:
        """Return which word of the arena a cell is."""
        return self.layout.offsets[column] // WORD + index

    def last_change(self, word: int, state: int) -> Step | None:
        """Return the last step up to a state that changed a word; None if none did since state 0."""
        states = self._changed_at.get(word, ())
        before = bisect_right(states, state)
        return self.made[states[before - 1] - 1] if before else None

    @cached_property
    def _raised(self) -> dict[int, list[dict[int, tuple[int, Step]]]]:
        """What :meth:`raised` has found out of words, each walked through once."""
        return {}

    def raised(self, word: int, state: int) -> dict[int, tuple[int, Step]]:
        """Return by how much actors have raised a word up to a state and not lowered it again, by
        slot, each with the last step that did. Who lowers it takes its own back, and what is beyond
        that from whoever raised it last.
        """
        if word not in self._raised:
            self._raised[word] = list(self._raisings(word))
        return self._raised[word][bisect_right(self._changed_at.get(word, ()), state)]

    def _raisings(self, word: int) -> Iterator[dict[int, tuple[int, Step]]]:
        """Yield what :meth:`raised` says before the first change of a word, and after each."""
        left: list[tuple[int, Step]] = []
        yield {}
        for at in self._changed_at.get(word, ()):
            settle(left, self._delta(word, at), self.made[at - 1])
            found: dict[int, tuple[int, Step]] = {}
            for count, step in sorted(left, key=lambda each: each[1].number):
                found[step.slot] = found.get(step.slot, (0, step))[0] + count, step
            yield found

    def _delta(self, word: int, state: int) -> int:
        """Return by how much a word has changed since the state before."""
        return next((after - before for place, before, after in self.changes(state) if place == word), 0)

    def next_of(self, slot: int, state: int) -> Step | None:
        """Return the next step of an actor from a state on; None if it makes no more."""
        return next((step for step in islice(self.made, state, None) if step.slot == slot), None)

    def standing(self, state: int) -> Standing:
        """Return where the actors stood in a state."""
        return self.camera.standings[state]

    def calls(self, slot: int, state: int) -> tuple[Call, ...]:
        """Return the calls in which an actor was in a state, the outermost first; of the one that
        made the last step of all, those from which it made it.
        """
        standings = self.camera.standings
        for at in range(state, -1, -1):
            if standings[at].slot == slot and (standings[at].calls or at < self.last):
                return standings[at].calls
        return ()


async def filmed(trace: Trace, mode: Mode, catalogue: Catalogue) -> Film:
    """Replay a trace, and return the film of it.

    Raises Divergence unless a strict replay does what the trace records.
    """
    camera = Camera()
    async with replay(trace, mode, catalogue, camera.look) as replayed:
        outcome = replayed.outcome
        if not (mode.tolerant or mode.without_faults):
            compare(trace, outcome)
        return film_of(replayed, camera, catalogue)


def film_of(replayed: Replayed, camera: Camera, catalogue: Catalogue) -> Film:
    """Return the film that a camera has made of an execution."""
    trace, outcome = replayed.trace, replayed.outcome
    finished = outcome.finished
    camera.end(finished.machine)
    _, kernel = composed(finished.case, catalogue)
    actors = finished.machine.actors
    return Film(
        trace=trace,
        case=finished.case,
        kernel=kernel,
        made=list(steps(finished)),
        actors={slot: finished.actor_name(slot) for slot in sorted(actors)},
        daemons=frozenset(slot for slot, actor in actors.items() if actor.daemon),
        parked_at={slot: finished.machine.parked_at[slot] for slot in actors},
        ending=ending_of(outcome),
        override_runs=replayed.override_runs,
        camera=camera,
    )
