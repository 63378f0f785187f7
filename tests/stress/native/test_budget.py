"""When the step budget is spent the native core takes fair turns, as Python does, and calls for it
only if a state comes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.native.comparison import by_native, by_python, difference
from stress.native.kernels import KernelKey
from stress.native.runner import BUDGET, LIMITS, NativeCase
from stress.workers.clock import Clock
from stress.workers.measure.sampler import Sampler
from stress.workers.native import NativeLease, Natives
from stress.workers.open_cases import Strategies
from stress.workers.tally import Tally
from tests.stress.native.compiled import cache_in, cases, needs_compiler, quick
from tests.stress.native.orders import order_of

pytestmark = needs_compiler

SCENARIO = "munmap_vs_access"
CLEAN = cases(SCENARIO, "x86-64", "6.9")[1]
AGAIN = LIMITS.index("the same state came again")
SPINS = """
from sim.core.machine import site

LOOK = site("test_budget", "wait for what nobody does")


class Spins:
    component = "swap"

    async def lru_add_drain(self, cpu):
        rounds = 0
        while True:
            await self.m.load(LOOK, self.k.filemap.pmd, 0)
            rounds = (rounds + 1) % 3
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with cache_in(tmp_path_factory.mktemp("cache")):
        yield


async def test_executions_go_on_as_in_python() -> None:
    """Turn by turn, with all chance plain, to a clean end, or until the budget is spent again."""
    found = set()
    async with open_runner(CLEAN, "plain") as runner:
        whole = runner.run(CATALOGUE.strategy("random"), 1, RandomData(1)).steps
    for budget in (whole // 4, 2 * whole // 3, whole - 3):
        async with open_runner(CLEAN, "plain", steps_max=budget) as runner:
            native = NativeCase(quick(KernelKey.of(CLEAN), [SCENARIO]), runner)
            for seed in range(25):
                made, outcome = by_python(runner, CATALOGUE.strategy("random"), seed)
                twin, ran = by_native(native, CATALOGUE.strategy("random"), seed)
                assert "" == difference(native, made, twin, ran)
                assert (outcome.verdict.kind == "inconclusive") == (ran.why == BUDGET)
                found.add((outcome.verdict.kind, outcome.steps > budget))
    assert found >= {("inconclusive", True), ("clean", True)}


async def test_a_livelock_is_told_from_a_long_run(tmp_path: Path) -> None:
    """Its state comes again, whatever lies behind the frames."""
    file = tmp_path / "spins.py"
    file.write_text(SPINS)
    case: Case = replace(CLEAN, patch=(str(file),))
    async with open_runner(case, "plain", steps_max=500) as runner:
        native = NativeCase(quick(KernelKey.of(case), [SCENARIO]), runner)
        for seed in range(5):
            made, outcome = by_python(runner, CATALOGUE.strategy("random"), seed)
            assert outcome.verdict.violation is not None and outcome.verdict.violation.checker == "livelock"
            twin, ran = by_native(native, CATALOGUE.strategy("random"), seed)
            assert (AGAIN, "") == (ran.why, difference(native, made, twin, ran))


async def test_what_is_inconclusive_is_counted_and_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_of(CLEAN, 50)
    quick(KernelKey.of(CLEAN), list(CATALOGUE.scenarios()))
    async with open_runner(CLEAN, "plain", steps_max=12) as runner:
        natives = Natives(CATALOGUE)
        native = natives.case(order, runner)
        assert native is not None
        tally = Tally(order, runner, set(), clock := Clock())
        sampler = Sampler(Strategies(CATALOGUE))
        lease = NativeLease(natives, native, CATALOGUE.strategy("random"), order, tally, clock, sampler)
        monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("Python was called"))
        seed = 0
        while seed < order.count:
            seed = lease.execute(seed, order.count, 0.0)
        numbers = tally.batch(last=True).numbers
    assert [50, 50, 50] == [numbers[name] for name in ("executions", "native", "inconclusive")]
    assert 50 * 24 <= numbers["steps"]
