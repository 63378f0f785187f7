"""A lease that runs natively counts what it would count in Python, and judges nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.native.kernels import KernelKey
from stress.native.runner import NativeCase
from stress.strategies.random import RandomWalk
from stress.workers.clock import Clock
from stress.workers.flight_recorder import FlightRecorder
from stress.workers.measure.sampler import Sampler
from stress.workers.messages import FOREVER_S, Batch, LeaseOrder, take_answer
from stress.workers.native import JUDGED_FIRST, NativeLease, Natives
from stress.workers.open_cases import Strategies
from stress.workers.tally import Tally
from stress.workers.worker import Worker
from tests.stress.native.compiled import cache_in, cases, needs_compiler, quick
from tests.stress.native.orders import order_of

pytestmark = needs_compiler

FAULT = "C03"
CLEAN = cases("munmap_vs_writeback", "x86-64", "6.9")[1]
FAULTY = Case("munmap_vs_writeback", (("dirty", 1), ("order", 2), ("quiet", 0)), "x86-64", faults=(FAULT,))


@pytest.fixture(scope="module", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A clean kernel and a faulty one are in the cache."""
    with cache_in(tmp_path_factory.mktemp("cache")):
        for case in (CLEAN, FAULTY):
            quick(KernelKey.of(case), list(CATALOGUE.scenarios()))
        yield


def natively(runner: Runner, order: LeaseOrder, natives: Natives) -> Batch:
    """Execute a lease natively; return what came of it."""
    tally, native = Tally(order, runner, set(), clock := Clock()), natives.case(order, runner)
    assert native is not None
    lease = NativeLease(
        natives, native, CATALOGUE.strategy(order.strategy), order, tally, clock, Sampler(Strategies(CATALOGUE))
    )
    seed = 0
    while seed < order.count:
        seed = lease.go_on(seed, order.count)
    return tally.batch(last=True)


@pytest.mark.parametrize("strategy", ["random", "pct", "round-robin"])
async def test_what_is_counted_is_what_python_counts(strategy: str) -> None:
    """Executions, steps, visits of sites, and overlaps; schedules are hashed otherwise."""
    order = order_of(CLEAN, 300, strategy)
    async with open_runner(CLEAN) as runner:
        runner.setup_steps.clear()
        found = natively(runner, order, Natives(CATALOGUE))
        wanted, chooser = Tally(order, runner, set(), Clock()), CATALOGUE.strategy(strategy)
        for seed in range(order.count):
            wanted.add(runner.run(chooser, seed, RandomData(seed)), seed)
        python = wanted.batch(last=True)
    assert order.count == found.done == found.numbers["executions"]
    assert order.count == found.numbers["native"] + found.numbers["compared"] > found.numbers["native"]
    assert python.numbers["steps"] == found.numbers["steps"]
    assert python.counts["visits"] == found.counts["visits"]
    assert python.counts["pairs"] == found.counts["pairs"]
    assert [] == found.failures


@pytest.mark.parametrize("strategy", ["random", "pos-contested", "surw"])
async def test_a_failing_kernel_is_judged_by_python(strategy: str) -> None:
    """The first of each case and place, then a share; what is left is in no other number. Also
    under a strategy that learns and has executed nothing in Python.
    """
    order, natives = order_of(FAULTY, 600, strategy), Natives(CATALOGUE)
    natives.compared[FAULTY], natives.compared_s = 1, float("inf")
    async with open_runner(FAULTY) as runner:
        found = natively(runner, order, natives)
    assert order.count == found.done == found.numbers["executions"] + found.numbers["unjudged"]
    assert {"violation"} == {failure.kind for failure in found.failures}
    assert sum(failure.count for failure in found.failures) >= JUDGED_FIRST
    assert sum(natives.bailed.values()) > found.numbers["unjudged"] > 0


async def test_what_is_judged_is_what_the_tapes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a strategy whose schedule is no function of the seed: in Python it makes another
    one, as if it had learned since.
    """
    honest, order, natives = RandomWalk.start, order_of(FAULTY, 200), Natives(CATALOGUE)
    natives.compared[FAULTY], natives.compared_s = 1, float("inf")
    monkeypatch.setattr(RandomWalk, "start", lambda self, seed, slots: honest(self, seed + 1, slots))
    async with open_runner(FAULTY) as runner:
        found = natively(runner, order, natives)
    assert {"violation"} == {failure.kind for failure in found.failures}
    judged = found.numbers["executions"] - found.numbers["native"]
    assert judged == sum(failure.count for failure in found.failures) >= JUDGED_FIRST


@pytest.mark.parametrize("slip", ["step", "draw"])
async def test_python_must_come_to_where_native_gave_up(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that is reached by other steps, or other chance, is a difference too."""
    log, drawn = NativeCase.log, NativeCase.drawn
    if slip == "step":
        monkeypatch.setattr(NativeCase, "log", lambda self: [log(self)[0], 1 << 40, *log(self)[2:]])
    else:
        monkeypatch.setattr(
            NativeCase, "drawn", lambda self: {s: [(n + 1, c) for n, c in tape] for s, tape in drawn(self).items()}
        )
    natives = Natives(CATALOGUE)
    natives.compared[FAULTY], natives.compared_s = 1, float("inf")
    async with open_runner(FAULTY) as runner:
        found = natively(runner, order_of(FAULTY, 40), natives)
    reports = [failure.report for failure in found.failures if failure.kind == "nondeterminism"]
    assert {"step": "step 1 differs", "draw": "choices, and was of"}[slip] in reports[0]


async def test_a_difference_is_a_failure_and_python_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = NativeCase.log
    monkeypatch.setattr(NativeCase, "log", lambda self: [*honest(self)[:-1], -1])
    order, natives = order_of(CLEAN, 20), Natives(CATALOGUE)
    async with open_runner(CLEAN) as runner:
        found = natively(runner, order, natives)
        assert natives.case(order, runner) is None
    assert [("native", "nondeterminism")] == [(failure.checker, failure.kind) for failure in found.failures]
    assert "differs: " in found.failures[0].report


async def test_what_another_case_has_left_is_not_counted() -> None:
    """As of a failure that is reduced in the same process: nobody takes what it counts."""
    async with open_runner(CLEAN) as runner:
        found = quick(KernelKey.of(CLEAN), list(CATALOGUE.scenarios()))
        other, native = NativeCase(found, runner), NativeCase(found, runner)
        counts = []
        for _ in range(2):
            other.run(CATALOGUE.strategy("round-robin"), 1, 3)
            native.run(CATALOGUE.strategy("random"), 1, 2)
            counts.append(native.take_counts())
            assert any(counts[0].visits.values())
        native.run(CATALOGUE.strategy("random"), 1, 2)
        assert [native.take_counts()] * 2 == counts


async def test_without_a_compiler_nothing_is_looked_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stress.native.build.compiler", lambda level: None)
    async with open_runner(CLEAN) as runner:
        assert Natives(CATALOGUE).case(order_of(CLEAN, 1), runner) is None


async def test_there_is_no_native_case_of_a_kernel_that_is_not_compiled(tmp_path: Path) -> None:
    case = cases("partial_zap", "riscv64", "6.9")[0]
    with cache_in(tmp_path):
        async with open_runner(case) as runner:
            assert Natives(CATALOGUE).case(order_of(case, 1), runner) is None


async def test_a_worker_uses_what_is_compiled_unless_it_is_told_not_to() -> None:
    recorder, answers, lease = FlightRecorder(), BytesIO(), order_of(CLEAN, 50)
    lease = msgspec.structs.replace(lease, slice_s=FOREVER_S, left_s=FOREVER_S)
    async with trio.open_nursery() as nursery:
        worker = Worker(answers, recorder, CATALOGUE, Clock(), nursery)
        for native in (True, False):
            await worker.lease(msgspec.structs.replace(lease, native=native))
            assert 49 == recorder.seed
        await worker.cases.close()
    received, batches = bytearray(answers.getvalue()), list[Batch]()
    while (answer := take_answer(received)) is not None:
        batches += [answer] if isinstance(answer, Batch) else []
    counts = [[int(batch.numbers.get(name, 0)) for batch in batches] for name in ("executions", "native")]
    assert 100 == sum(counts[0]) and counts[1][0] > 0 == counts[1][-1]
