"""The lockstep machine on the toy: both drivers, every strategy, every way in which an execution
can end.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest

from sim.core.arena import Arena
from sim.core.machine import Actor, Violation
from stress.case import Case
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData, TapeData
from stress.machine.livelock import HASHED_BYTES_MAX, Livelock
from stress.machine.lockstep import Lockstep
from stress.machine.trio_drivers import session
from stress.strategies.replay import Replay
from tests.stress.machine.running import DRIVERS, STEPS_MAX, STRATEGIES, executions, facts, toys, verdict
from tests.toy import (
    ADD,
    DOWN,
    LOCK,
    NOTE,
    SPIN,
    TOYS,
    UNLOCK,
    UP,
    Spin,
    ToyKernel,
    ToyScenario,
)


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


async def test_deadlock_names_the_cycle() -> None:
    """A deadlock is a violation that says which actor waits for which."""
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


def test_of_a_large_arena_few_states_are_looked_at() -> None:
    """Each look hashes the whole arena: 20,000 looks at the largest took ten minutes."""

    class Large:
        layout = SimpleNamespace(model_bytes=HASHED_BYTES_MAX // 2)
        states = count()

        def model_hash(self) -> str:
            return str(next(self.states))

    livelock, arena = Livelock(STEPS_MAX), Large()
    spent = []
    for step in range(100, 104):
        assert not livelock.look(arena, [], [], step)  # type: ignore[arg-type]
        spent.append(livelock.spent(step))
    assert [False, False, False, True] == spent


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


class Trying(ToyScenario):
    """A reader tries, and another, while a writer comes."""

    threads = 3

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        if cpu == 2:
            await k.m.down_write(DOWN, k.sem, 0)
            await k.m.up_write(UP, k.sem, 0)
        elif await k.m.down_read_trylock(DOWN, k.sem, 0):
            assert k.sem.view[0] > 0
            await k.m.up_read(UP, k.sem, 0)
        else:
            assert k.sem.view[0] < 0
            await k.m.add(NOTE, k.counter, 1, 1)


async def test_trying_a_rwsem_never_waits() -> None:
    failed = set()
    async with open_runner(Case("trying", (), "toy"), catalogue=toys(trying=Trying)) as runner:
        for seed in range(40):
            assert runner.run(TOYS.strategy("random"), seed, RandomData(seed)).verdict.kind == "clean"
            failed.add(runner.arena["counter"][1])
    assert {0, 1} <= failed


@pytest.mark.parametrize("driver", DRIVERS)
async def test_deadlock_through_a_rwsem(driver: str) -> None:
    """The readers of a rwsem are its holders."""
    found, _ = await verdict("readers", catalogue=toys(readers=Readers), driver=driver)
    assert (
        found.violation.message
        == "t0 in toy_down waits for sem[0] held by t1 -> t1 in toy_lock waits for lock[0] held by t0"
    )
    assert [place[:2] for place in found.violation.locations] == [("sem", 0), ("lock", 0)]
