"""Tries schedules of a case: does the failure show, and in how few steps?

A compiled kernel makes the executions where there is one. It only says where it gave up; an
execution that may be smaller than the best is made again in Python, which alone judges.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import TapeData
from stress.native.compilers import FAST, QUICK, BuildError
from stress.native.kernels import KernelKey, kept, library, manifest_file
from stress.native.runner import NativeCase, NotCovered, Ran
from stress.native.translate.subset import Unsupported
from stress.patch.guard import PatchError
from stress.strategies.prefix import Prefix
from stress.trace.record import Trace, capture

if TYPE_CHECKING:
    from stress.case import Case
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner
    from stress.native.runner import Library
    from stress.strategies import Strategy

Runs = Sequence[tuple[int, int]]
"""A schedule: who makes how many steps, as (slot, steps)."""

Tapes = Mapping[int, Sequence[int]]
"""What each slot draws; past the end of its tape, 0."""

STRATEGY = "shrunk"
"""What the trace of a shrunk failure names as its strategy."""

ANY = 1 << 30
"""Steps of a run that lasts until its actor is blocked or has ended."""

DOUBTS_MAX = 8
"""Executions that a check gave up after steps at one site, and that have another signature in
Python: after so many the rest of them are taken to have it too.
"""


BATCH = 256
"""Native executions between two looks at the clock."""


class Size(NamedTuple):
    """How large an execution is: what counts most comes first."""

    actors: int
    """That made a step."""
    switches: int
    steps: int


def size_of(runs: Runs) -> Size:
    """Return how large an execution with this schedule is."""
    return Size(len({slot for slot, _ in runs}), max(0, len(runs) - 1), sum(steps for _, steps in runs))


class Deadline:
    """When to stop, and how many executions were made until then.

    ``clock`` returns seconds: of time, or of this process alone (``time.process_time``), so that a
    busy machine does not count.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.end = clock, clock() + seconds
        self.tried = 0

    def part(self, seconds: float) -> Deadline:
        """Return one that is over after so many seconds, and not after this one is."""
        return Deadline(min(seconds, self.left_s), self.clock)

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return self.end - self.clock()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.left_s <= 0


class Attempts:
    """An open case in which schedules are tried for one signature; ``best`` is the trace of the
    smallest execution so far that has it.
    """

    def __init__(self, runner: Runner, native: NativeCase | None, signature: str, deadline: Deadline) -> None:
        self.runner, self.native, self.signature, self.deadline = runner, native, signature, deadline
        self.follower = Prefix()
        self.best: Trace | None = None
        self.size = Size(ANY, ANY, ANY)
        self._doubts: Counter[tuple[int, int]] = Counter()

    def follow(self, runs: Runs, tapes: Tapes) -> bool:
        """Execute a schedule, as far as it can be followed; return whether it is the best now."""
        self.follower.follow(runs)
        return self.execute(self.follower, 0, tapes)

    def execute(self, strategy: Strategy, seed: int, tapes: Tapes) -> bool:
        """Execute once; return whether that is the best now."""
        self.deadline.tried += 1
        if self.native is None:
            return self._judge(strategy, seed, tapes)
        self.native.give(tapes)
        return self._look(self.native.run(strategy, seed), strategy, seed, tapes)

    def sample(self, strategy: Strategy, first: int, count: int, tapes: Tapes) -> bool:
        """Execute seeds; return whether one of them is the best now."""
        found, seed = False, first
        while seed < first + count and not self.deadline.over:
            if self.native is None:
                found |= self.execute(strategy, seed, tapes)
                seed += 1
                continue
            self.native.give(tapes)
            ran = self.native.run(strategy, seed, min(BATCH, first + count - seed))
            self.deadline.tried += ran.clean + (ran.why > 0)
            seed += ran.clean
            found |= self._look(ran, strategy, seed, tapes)
            seed += 1
        return found

    def _look(self, ran: Ran, strategy: Strategy, seed: int, tapes: Tapes) -> bool:
        """Have Python judge the last native execution, if it was given up and may be the best."""
        assert self.native is not None
        where = ran.why, ran.site
        if not ran.why or self._doubts[where] >= DOUBTS_MAX:
            return False
        runs = self.native.schedule()
        if size_of(runs) >= self.size:
            return False
        if self._judge(Prefix(runs), 0, tapes):
            return True
        self._doubts[where] += 1
        return False

    def _judge(self, strategy: Strategy, seed: int, tapes: Tapes) -> bool:
        """Execute in Python; return whether that is the best now."""
        outcome = self.outcome(strategy, seed, tapes)
        if outcome is None or signature_of(outcome) != self.signature:
            return False
        size = size_of(outcome.schedule())
        if size >= self.size:
            return False
        self.best, self.size = capture(outcome, STRATEGY), size
        return True

    def outcome(self, strategy: Strategy, seed: int, tapes: Tapes) -> Outcome | None:
        """Return the outcome of an execution in Python; None if the patch has ended it."""
        try:
            return self.runner.run(strategy, seed, TapeData(tapes))
        except PatchError:
            return None


@asynccontextmanager
async def opened(
    case: Case, library: Library | None, signature: str, deadline: Deadline, catalogue: Catalogue
) -> AsyncIterator[Attempts]:
    """Open a case to try schedules in it; ``library`` is its kernel, compiled."""
    async with open_runner(case, "plain", catalogue=catalogue) as runner:
        attempts = Attempts(runner, native_of(library, runner), signature, deadline)
        try:
            yield attempts
        finally:
            if library is not None and library.in_use is attempts.native:
                library.in_use = None
            attempts.native = None


def native_of(library: Library | None, runner: Runner) -> NativeCase | None:
    """Return a case as it runs natively; None if it does not."""
    if library is None or runner.failed is not None:
        return None
    try:
        return NativeCase(library, runner)
    except NotCovered:
        return None


def kernel_of(case: Case, catalogue: Catalogue, build: bool) -> Library | None:
    """Return the kernel of a case, compiled, if it is kept; if not and ``build``, have it compiled
    the quick way. None if there is none: Python executes.
    """
    key, scenarios = KernelKey.of(case), list(catalogue.scenarios())
    try:
        for level in (FAST, QUICK):
            found = kept(manifest_file(key, scenarios, catalogue, level))
            if found is not None:
                return found
        return library(key, scenarios, catalogue, QUICK) if build else None
    except (Unsupported, BuildError, OSError):
        return None
