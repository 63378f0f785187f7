"""The lockstep machine on the toy: both drivers, every strategy, every way in which an execution
can end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio

from sim.core.arena import Arena, Column
from sim.core.machine import Actor, Violation
from stress.case import Case
from stress.errors import ForeignYield
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData, TapeData
from stress.machine.deadlock import cycle
from stress.machine.lockstep import Lockstep
from stress.machine.trio_drivers import FastDriver, session
from stress.strategies.replay import Replay
from tests.toy import (
    ADD,
    DOWN,
    LOCK,
    NOTE,
    SCENARIOS,
    SPIN,
    TOYS,
    UNLOCK,
    UP,
    Spin,
    ToyCatalogue,
    ToyKernel,
    ToyScenario,
)

DRIVERS = ("fast", "reference")
STRATEGIES = ("random", "pct", "round-robin", "sequential")
STEPS_MAX = 120

Facts = tuple[Any, ...]


def facts(outcome: Any) -> Facts:
    """Return what two equal executions have in common."""
    return (
        outcome.verdict.kind,
        outcome.verdict.reason,
        outcome.schedule(),
        outcome.tapes,
        outcome.digest(),
        outcome.step_checks(),
        outcome.model_hash(),
    )


def toys(**extra: type[ToyScenario]) -> ToyCatalogue:
    """Return the toys with some more scenarios."""
    return ToyCatalogue(extra)


async def executions(scenario: str, driver: str, seeds: range = range(6), faults: tuple[str, ...] = ()) -> list[Facts]:
    """Return the facts of executions under every strategy."""
    found = []
    async with open_runner(Case(scenario, (), "toy", faults=faults), driver, STEPS_MAX, TOYS) as runner:
        for name in STRATEGIES:
            strategy = TOYS.strategy(name)
            for seed in seeds:
                found.append(facts(await runner.execute(strategy, seed, RandomData(seed))))
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_drivers_agree(scenario: str) -> None:
    """Same seed, same run, under both drivers."""
    expected = await executions(scenario, "reference")
    assert await executions(scenario, "fast") == expected
    assert await executions(scenario, "plain") == expected


async def test_same_seed_same_run() -> None:
    """An execution depends on its seed alone, and different seeds differ."""
    first, again = (
        await executions("counters", "fast", faults=("T01",)),
        await executions("counters", "fast", faults=("T01",)),
    )
    assert first == again
    assert len({found[4] for found in first[:6]}) > 3


@pytest.mark.parametrize("scenario", ["counters", "mailbox", "abba"])
@pytest.mark.parametrize("driver", DRIVERS)
async def test_replay_of_every_schedule(scenario: str, driver: str) -> None:
    """The tapes of an execution give the same execution, strictly."""
    async with open_runner(Case(scenario, (), "toy", faults=("T01",)), driver, catalogue=TOYS) as runner:
        for seed in range(10):
            for name in STRATEGIES:
                outcome = await runner.execute(TOYS.strategy(name), seed, RandomData(seed))
                first, schedule, tapes = facts(outcome), outcome.schedule(), outcome.tapes
                assert first == facts(await runner.execute(Replay(schedule), seed, TapeData(tapes)))


async def verdict(
    scenario: str, strategy: str = "round-robin", catalogue: ToyCatalogue = TOYS, driver: str = "fast"
) -> tuple[Any, Runner]:
    """Return the verdict of one execution, and the runner, which is closed."""
    async with open_runner(Case(scenario, (), "toy"), driver, STEPS_MAX, catalogue) as runner:
        return (await runner.execute(catalogue.strategy(strategy), 1, RandomData(1))).verdict, runner


async def test_deadlock_names_the_cycle() -> None:
    """A deadlock is a violation that says who waits for whom."""
    found, _ = await verdict("abba")
    assert found.kind == "violation"
    assert found.violation.title == "deadlock"
    assert (
        found.violation.message
        == "t0 in toy_lock waits for lock[1] held by t1 -> t1 in toy_lock waits for lock[0] held by t0"
    )


async def test_lost_wakeup() -> None:
    """A wait that nobody ends is named, and blames no holder."""
    found, _ = await verdict("forgotten")
    assert found.violation.title == "lost-wakeup"
    assert found.violation.message == "t0 in toy_post waits for flag[0]"


async def test_gate_that_nobody_opens() -> None:
    """If nobody can so much as begin, that is a lost wakeup too, and not a clean end."""
    kernel = ToyKernel()
    machine = Lockstep(Arena.create(kernel.layout), kernel.slots, STEPS_MAX)
    kernel.bind(machine.arena, machine)

    async def body() -> None:
        raise AssertionError("its gate is closed")

    async with session(machine) as driver:
        machine.begin(
            [Actor(0, "t0", body, gate=((kernel.flag, 0),), ready=lambda: False)],
            TOYS.strategy("random"),
            TapeData({}),
            0,
        )
        await driver.execute()
    assert machine.verdict.reason == "deadlock lost-wakeup: t0 has not begun, and waits for flag[0]"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_livelock(strategy: str) -> None:
    """When the budget is spent, fair turns and a state that comes again are a livelock."""
    found, runner = await verdict("spin", strategy)
    assert found.violation.title == "livelock"
    assert STEPS_MAX < runner.machine.seq < STEPS_MAX + 10


class Dicey(Spin):
    """Spins until chance lets it out."""

    async def thread(self, cpu: int) -> None:
        while self.kernel.m.draw("out", 2) == 0:
            await self.kernel.m.load(SPIN, self.kernel.flag, 0)


async def test_chance_is_plain_once_the_budget_is_spent() -> None:
    """A livelock under fair turns is judged with all chance plain."""
    async with open_runner(Case("dicey", (), "toy"), steps_max=10, catalogue=toys(dicey=Dicey)) as runner:
        assert {
            runner.run(TOYS.strategy("random"), seed, TapeData({0: [0] * 40 + [1], 1: [0] * 40 + [1]})).verdict.kind
            for seed in range(5)
        } == {"violation"}


class Patient(ToyScenario):
    """Looks at the flag a fixed number of times, counting in a list."""

    async def thread(self, cpu: int) -> None:
        looks: list[None] = []
        while len(looks) < 50:
            await self.kernel.m.load(SPIN, self.kernel.flag, 0)
            looks.append(None)


async def test_a_loop_that_counts_in_a_local_is_no_livelock() -> None:
    """What the coroutines' locals hold is part of the state."""
    async with open_runner(Case("patient", (), "toy"), steps_max=55, catalogue=toys(patient=Patient)) as runner:
        assert runner.run(TOYS.strategy("random"), 1, RandomData(1)).verdict.kind == "clean"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_inconclusive(strategy: str) -> None:
    """Where no state comes again the run is inconclusive, and ends."""
    found, runner = await verdict("endless", strategy)
    assert (found.kind, found.reason) == ("inconclusive", f"the budget of {STEPS_MAX} steps ran out")
    assert runner.machine.seq <= 2 * STEPS_MAX + 2


async def test_violation_in_the_setup() -> None:
    """It is the outcome of every run, has no choices, and keeps the log of its phase."""
    async with open_runner(Case("broken_setup", (), "toy"), catalogue=TOYS) as runner:
        outcomes = [runner.run(TOYS.strategy("random"), seed, RandomData(seed)) for seed in (1, 2)]
        assert outcomes[0] is outcomes[1]
        assert outcomes[0].verdict.violation is not None
        assert outcomes[0].verdict.violation.message == "setup releases lock[1], which is not held"
        assert (outcomes[0].schedule(), outcomes[0].tapes, outcomes[0].steps) == ([], {}, 2)


class Unwinding(ToyScenario):
    """Violates, with unwinding code that would make steps, draw, and fail again."""

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        await k.m.lock(LOCK, k.lock, cpu)
        try:
            await k.m.add(ADD, k.counter, 1, 1)
            if cpu == 0:
                k.m.fail(Violation("T2", "toy", "as asked", ADD))
            while True:
                await k.m.load(SPIN, k.flag, 0)
        finally:
            try:
                await k.m.unlock(UNLOCK, k.lock, cpu)
            finally:
                try:
                    k.m.draw("what", 2)
                finally:
                    raise ValueError("unwinding code may raise anything")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("driver", DRIVERS)
async def test_no_steps_after_a_violation(driver: str, strategy: str) -> None:
    """Unwinding code makes no step, draws nothing, and does not change the verdict; then all actors
    stand at their start.
    """
    async with open_runner(Case("unwinding", (), "toy"), driver, catalogue=toys(unwinding=Unwinding)) as runner:
        for seed in range(3):
            outcome = await runner.execute(TOYS.strategy(strategy), seed, RandomData(seed))
            assert outcome.verdict.reason == "T2 toy: as asked"
            assert outcome.tapes == {}
            assert runner.machine.log[-2] >> 48 == ADD >> 48
            assert runner.arena["lock"][0] == 1
            assert not any(runner.machine.started)


class Raising(ToyScenario):
    """A checker raises by itself, without telling the machine."""

    async def thread(self, cpu: int) -> None:
        try:
            await self.kernel.m.add(ADD, self.kernel.counter, 1, 1)
            raise Violation("T3", "raised", "and not reported", ADD)
        finally:
            await self.kernel.m.add(NOTE, self.kernel.counter, 1, 1)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_raised_violation_counts(driver: str) -> None:
    """A Violation that only travels as an exception is a verdict all the same."""
    found, _ = await verdict("raising", catalogue=toys(raising=Raising), driver=driver)
    assert found.reason == "T3 raised: and not reported"


class Wrong(ToyScenario):
    """The model itself has a mistake."""

    async def thread(self, cpu: int) -> None:
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)
        if cpu:
            raise KeyError("nonsense")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_error_in_the_model_is_raised(driver: str) -> None:
    """What is neither a violation nor an abandonment is raised as it is, out of the session too,
    and the actors stand at their start.
    """
    with pytest.raises(KeyError, match="nonsense"):
        await verdict("wrong", catalogue=toys(wrong=Wrong), driver=driver)


async def sleep(self: Any, cpu: int) -> None:
    """Await a trio primitive that yields to the loop."""
    await self.kernel.m.load(SPIN, self.kernel.flag, 0)
    await trio.sleep(0)


async def checkpoint(self: Any, cpu: int) -> None:
    """Await the barest of trio's primitives."""
    await trio.lowlevel.checkpoint()


async def nap(self: Any, cpu: int) -> None:
    """Await inside a cancel scope, with one more await on the way out."""
    try:
        with trio.move_on_after(3600):
            await self.kernel.m.load(SPIN, self.kernel.flag, 0)
            await trio.sleep(60)
    finally:
        await trio.lowlevel.checkpoint()


async def event(self: Any, cpu: int) -> None:
    """Wait for what never happens."""
    await trio.Event().wait()


async def nursery(self: Any, cpu: int) -> None:
    """Open a nursery."""
    async with trio.open_nursery() as opened:
        opened.start_soon(trio.sleep, 0)


async def stubborn(self: Any, cpu: int) -> None:
    """Refuse to be unwound, for a while."""
    for _ in range(20):
        with suppress(BaseException):
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("body", [sleep, checkpoint, nap, event, nursery, stubborn])
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_foreign_yield(driver: str, body: Callable[..., Any]) -> None:
    """A trio primitive in a stepped region is a clear error, and hangs nothing."""
    foreign = type("Foreign", (ToyScenario,), {"thread": body})
    with (
        trio.fail_after(5),
        pytest.raises(ForeignYield, match=r"actor t[01] awaited a trio primitive inside a stepped region"),
    ):
        await verdict("foreign", catalogue=toys(foreign=foreign), driver=driver)


class Interrupted(ToyScenario):
    """Ctrl-C strikes in the middle of a body."""

    async def thread(self, cpu: int) -> None:
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)
        if cpu:
            raise KeyboardInterrupt
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_interrupt_in_a_body(driver: str) -> None:
    """The interrupt comes out of the session, which does not hang."""
    with trio.fail_after(5), pytest.raises(KeyboardInterrupt):
        await verdict("interrupted", catalogue=toys(interrupted=Interrupted), driver=driver)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_error_in_mid_execution_leaves_no_actor_behind(driver: str) -> None:
    """A strategy that breaks in mid-execution ends the session with its error, and unwinding makes
    no steps.
    """

    class Breaks:
        name, free = "breaks", 0

        def start(self, seed: int, slots: int) -> None: ...

        def choose(self, enabled: list[int], current: int, step: int) -> int:
            if step == 5:
                raise RuntimeError("broken strategy")
            return enabled[step % len(enabled)]

        def finish(self, steps: int) -> None: ...

    with pytest.raises(RuntimeError, match="broken strategy"):
        async with open_runner(Case("counters", (), "toy"), driver, catalogue=TOYS) as runner:
            await runner.execute(Breaks(), 0, RandomData(0))
    assert runner.machine.seq == 5


async def test_a_slip_in_one_driver_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of digests has teeth: a driver under which one kind of step goes wrong is
    found out.
    """
    honest = FastDriver.execute_now

    def slips(self: FastDriver) -> None:
        async def wrong(site: int, col: Column, i: int, delta: int, holder: int = 0) -> int:
            return await Lockstep.add(self.machine, site, col, i, delta + 1, holder)

        self.machine.add = wrong  # type: ignore[method-assign]
        honest(self)

    expected = await executions("mailbox", "reference")
    monkeypatch.setattr(FastDriver, "execute_now", slips)
    assert await executions("mailbox", "fast") != expected


class Ordered(ToyScenario):
    """Writes what the actor is, so that the final state tells the order."""

    threads = 3

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        await k.m.rmw(NOTE, k.counter, 1, partial(lambda me, old: old * 4 + me + 1, cpu))


async def test_random_reaches_every_order() -> None:
    """Three actors of one step each: all six orders, soon."""
    async with open_runner(Case("ordered", (), "toy"), catalogue=toys(ordered=Ordered)) as runner:
        orders = set()
        for seed in range(80):
            runner.run(TOYS.strategy("random"), seed, RandomData(seed))
            orders.add(runner.arena["counter"][1])
    assert len(orders) == 6


def test_cycle_of_a_wait_for_graph() -> None:
    """A cycle is found behind readers that wait for nobody, and where it does not begin at the
    first.
    """
    assert cycle({0: [1, 2], 1: [], 2: [0]}) == [0, 2]
    assert cycle({0: [1], 1: [2], 2: [1]}) == [1, 2]
    assert cycle({0: [7], 1: []}) == []


class Readers(ToyScenario):
    """A reader waits for a lock whose owner waits to write."""

    threads = 3

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        if cpu == 0:
            await k.m.lock(LOCK, k.lock, 0)
            await k.m.down_write(DOWN, k.sem, 0)
        else:
            await k.m.down_read(DOWN, k.sem, 0)
            if cpu == 1:
                await k.m.lock(LOCK, k.lock, 0)
            await k.m.up_read(UP, k.sem, 0)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_deadlock_through_a_rwsem(driver: str) -> None:
    """The readers of a rwsem are its holders."""
    found, _ = await verdict("readers", catalogue=toys(readers=Readers), driver=driver)
    assert (
        found.violation.message
        == "t0 in toy_down waits for sem[0] held by t1 -> t1 in toy_lock waits for lock[0] held by t0"
    )
    assert [place[:2] for place in found.violation.locations] == [("sem", 0), ("lock", 0)]
