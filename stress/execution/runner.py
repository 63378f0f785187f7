"""Composes a case, runs its setup once, and executes it as often as you like.

:func:`open_runner` composes the kernel, runs the scenario's setup and takes a snapshot. From there
on :meth:`Runner.run` costs one copy, one execution and, after a clean end, one audit.

The setup is a sequential prefix under the same kernel and faults, with all chance plain. It may
itself violate: then every run of the case has that outcome, and its trace has no choices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from functools import partial
from typing import TYPE_CHECKING, Any

from sim.core.arena import Arena
from sim.core.machine import Actor, Violation
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.finished import Finished
from stress.execution.outcome import Outcome
from stress.execution.steps import Recorder
from stress.machine.chance import PLAIN
from stress.machine.driver import DirectDriver, Driver, plain_session
from stress.machine.lockstep import Lockstep
from stress.machine.noted import NotedArena, NotedMachine
from stress.machine.pauses import NEVER, Pauses
from stress.machine.protocols import Tape, Verdict
from stress.patch.counting import override_runs
from stress.patch.dropped import EAR
from stress.patch.guard import Judge, PatchError, blaming
from stress.patch.scenario.mistakes import told_of
from stress.patch.scenario.staging import phases_of, staged, threads_of, vet_arena
from stress.patch.watchdog import WATCHDOG
from stress.strategies import Strategy
from stress.strategies.sequential import Sequential

if TYPE_CHECKING:
    from stress.scenario import Scenario

SMALL_STEPS_MAX = 20_000
"""The step budget of an execution in a small world, unless another is given."""

STEPS_PER_PAGE = 16
"""What the budget grows by with each page of an address space: the slowest version takes about nine
steps to zap one.
"""

BUDGET_STEPS_MAX = 300_000
"""The largest step budget. The largest world's is 282,144."""

SETUP_STEPS_MAX = 500_000
"""The step budget of each phase of a setup. The longest, of the largest world, takes 312,445.
"""


class Runner:
    """A case that stands at the end of its setup. Made by :func:`open_runner`."""

    def __init__(
        self, case: Case, scenario: Scenario, kernel: Any, machine: Lockstep, driver: Driver, judge: Judge | None = None
    ) -> None:
        self.case, self.scenario, self.kernel, self.machine, self.driver = case, scenario, kernel, machine, driver
        self.judge = judge
        """Judges what the case's patch raises; None if there is no patch."""
        self.arena: Arena = machine.arena
        self.failed: Outcome | None = None
        """The outcome of the setup, if it did not end clean: then it is that of every run."""
        self.snapshot = b""
        self.setup_steps: list[int] = []
        """The codes of the steps that the setup made: they are visits of sites too."""
        self.actors: list[Actor] = []
        self._runs_told: dict[str, int] = {}

    def run(self, strategy: Strategy, seed: int, data: Tape, pauses: Pauses = NEVER) -> Outcome:
        """Execute once, at once. Only under the fast driver; see :meth:`execute`."""
        assert isinstance(self.driver, DirectDriver), "the reference driver awaits: use execute()"
        if self.failed is not None:
            return self._failed(self.failed)
        with told_of(type(self.scenario)):
            self._begin(strategy, seed, data, pauses)
            self.driver.execute_now()
        return self._end(seed)

    def step(self, strategy: Strategy, seed: int, data: Tape) -> int:
        """Execute once as :meth:`run` does, but without the final audit; return the steps made."""
        assert isinstance(self.driver, DirectDriver)
        self._begin(strategy, seed, data)
        self.driver.execute_now()
        return self.machine.seq

    async def execute(self, strategy: Strategy, seed: int, data: Tape, pauses: Pauses = NEVER) -> Outcome:
        """Execute once, under either driver. The outcome is good until the next execution.

        At each of ``pauses`` the arena is audited, as it is at the end.
        """
        if self.failed is not None:
            return self._failed(self.failed)
        with told_of(type(self.scenario)):
            self._begin(strategy, seed, data, pauses)
            await self.driver.execute()
        return self._end(seed)

    def error_outcome(self, seed: int) -> Outcome:
        """Return the outcome of the execution of ``seed`` that has just raised PatchError."""
        return self.failed or self.outcome(seed)

    def override_runs(self) -> dict[str, int]:
        """Return how often each override of the case's patch has run here, setup included."""
        return override_runs(self.kernel)

    def fresh_override_runs(self) -> dict[str, int]:
        """Return how often each override has run since this was last asked."""
        before, self._runs_told = self._runs_told, self.override_runs()
        return {name: runs - before.get(name, 0) for name, runs in self._runs_told.items()}

    def _begin(self, strategy: Strategy, seed: int, data: Tape, pauses: Pauses = NEVER) -> None:
        self.arena.restore(self.snapshot)
        self._watch()
        stops = pauses.stops(self.machine.steps_max)
        self.machine.begin(self.actors, strategy, data, seed, stops, partial(self._pause, pauses))

    def _pause(self, pauses: Pauses) -> None:
        """Audit the arena in the midst of an execution, if it is to be. Raises Violation."""
        if pauses.hold(self.machine):
            self.kernel.audit(drained=False)

    def _watch(self) -> None:
        """Look after the execution that is about to begin, if a patch takes part in it."""
        if self.judge is not None:
            WATCHDOG.watch(self.machine)
            EAR.clear()

    def _end(self, seed: int) -> Outcome:
        machine = self.machine
        oops = self.judge.oops() if self.judge is not None else None
        if oops is not None:
            machine.verdict = Verdict("violation", oops, str(oops))
        elif machine.verdict.kind == "clean":
            try:
                self.kernel.audit(drained=True)
            except Violation as violation:
                machine.verdict = Verdict("violation", violation, str(violation))
        self._conclude()
        return self.outcome(seed)

    def _conclude(self) -> None:
        """Raise PatchError if the patch has dropped a coroutine: what was executed says nothing."""
        error = self.judge.dropped() if self.judge is not None else None
        if error is not None:
            self.machine.verdict = Verdict("error", error=error, reason=str(error))
            raise error

    def _failed(self, outcome: Outcome) -> Outcome:
        """Return the outcome of the setup. Raises what the setup raised."""
        if outcome.verdict.error is not None:
            raise outcome.verdict.error
        return outcome

    def outcome(self, seed: int, setup: bool = False) -> Outcome:
        """Return the outcome of the execution of ``seed`` as it lies in machine and arena now."""
        listener, patch = self.machine.listener, self.judge.patch if self.judge is not None else None
        changes = listener.changes if isinstance(listener, Recorder) else ()
        return Outcome(Finished(self.case, self.machine, seed, setup, changes, patch), self.machine.verdict)

    async def prepare(self) -> None:
        """Run the setup, phase by phase, and take the snapshot that every execution starts from."""
        services = list(self.kernel.services())
        budget, self.machine.steps_max = self.machine.steps_max, SETUP_STEPS_MAX
        for cpu, body in phases_of(self.scenario):
            self._watch()
            self.machine.begin([Actor(cpu, "setup", body), *services], Sequential(), PLAIN, 0)
            with suppress(PatchError):
                await self.driver.execute()
                self._conclude()
            self.setup_steps += self.machine.log[::2]
            self.machine.versions += self.machine.seq
            if self.machine.verdict.kind != "clean":
                self.failed = self.outcome(0, setup=True)
                return
            self.kernel.settle()
        self.machine.steps_max = budget
        threads = threads_of(self.scenario)
        self.actors = [Actor(cpu, name, body) for name, cpu, body in threads] + services
        self.snapshot = self.arena.snapshot()


def composed(case: Case, catalogue: Catalogue) -> tuple[Scenario, Any]:
    """Return the scenario of ``case`` and its kernel, not bound yet.

    Raises UsageError for an unknown name.
    """
    profile = catalogue.profile(case.profile).at(case.kernel)
    scenario, world = staged(catalogue.scenario_class(case.scenario), profile, case.geometry, dict(case.params))
    kernel = catalogue.compose(
        profile=profile,
        geometry=case.geometry,
        kernel=case.kernel,
        world=world,
        faults=case.faults,
        patch=catalogue.patch(case.patch),
    )
    return scenario, kernel


@asynccontextmanager
async def open_runner(
    case: Case,
    driver: str = "fast",
    steps_max: int | None = None,
    catalogue: Catalogue = CATALOGUE,
    record: bool = False,
    parts: tuple[type, ...] = (),
    noted: bool = False,
    room: Callable[[int], Awaitable[None]] | None = None,
) -> AsyncIterator[Runner]:
    """Compose the case, run its setup, and yield a Runner; ``driver`` is ``fast`` or ``reference``,
    or ``plain``, which needs no trio.

    ``steps_max`` is the step budget; by default it grows with the world. ``record`` keeps what
    every step found and left (:class:`~stress.execution.steps.Recorder`): for reports, not for
    campaigns. ``parts`` are classes in front of the kernel's components. ``noted`` has the machine
    note the footprint of each transition (:mod:`stress.machine.noted`). ``room`` is told the bytes
    of the arena before there is one, and makes room for it. Raises UsageError for an unknown name,
    and whatever the model raises if the setup itself is wrong.
    """
    patch, own = catalogue.patch(case.patch), catalogue.scenario_file(case.scenario)
    with ExitStack() as stack:
        with blaming(patch):
            scenario, kernel = composed(case, catalogue)
            vet_arena(scenario, kernel.layout.bytes)
            kernel = kernel.wrapped(parts) if parts else kernel
        if room is not None:
            await room(kernel.layout.bytes)
        with blaming(patch):
            arena = stack.enter_context(closing((NotedArena if noted else Arena).create(kernel.layout)))
            budget = steps_max or SMALL_STEPS_MAX + STEPS_PER_PAGE * scenario.world().vpages
            kind = NotedMachine if noted else Lockstep
            machine = kind(arena, kernel.slots, budget, Recorder(arena) if record else None)
            kernel.bind(arena, machine)
            kernel.boot()
        scenario.kernel = kernel
        users = patch is not None or own is not None
        judge = stack.enter_context(judging(Judge(patch, kernel, machine, own), machine)) if users else None
        async with _session(machine, driver) as stepper:
            runner = Runner(case, scenario, kernel, machine, stepper, judge)
            with told_of(type(scenario)):
                await runner.prepare()
            try:
                yield runner
            finally:
                runner.snapshot = b""


@contextmanager
def judging(judge: Judge, machine: Lockstep) -> Iterator[Judge]:
    """Have ``judge`` say what the user's code raises; meanwhile bodies that spin are stopped, and
    coroutines that nobody awaits are noted.
    """
    machine.judge = judge
    with EAR.listening(), WATCHDOG.on_duty():
        yield judge


def _session(machine: Lockstep, driver: str) -> AbstractAsyncContextManager[Driver]:
    if driver == "plain":
        return plain_session(machine)
    from stress.machine.trio_drivers import DRIVERS, session

    return session(machine, DRIVERS[driver])
