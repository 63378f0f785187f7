"""CPUs that speculate: where, how often, and that nothing else moves them."""

from __future__ import annotations

import pytest

from sim.core.machine import site_info
from sim.core.profile import SMALL
from sim.hardware.tlb import FILL, WALK_PTE
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.patch.scenario.staging import SPECULATION

LOOKS = {site_info(site).name for site in (WALK_PTE, FILL)}


@pytest.mark.parametrize("profile", list(CATALOGUE.profiles()))
def test_at_most_one_execution_in_four_speculates(profile: str) -> None:
    """On every profile whose hardware does so, and then not too rarely."""
    shape, shares = CATALOGUE.profile(profile), []
    for scenario in CATALOGUE.scenarios():
        sets = CATALOGUE.parameters(scenario, shape, SMALL)
        speculating = [params for params in sets if params.get(SPECULATION)]
        assert 4 * len(speculating) <= len(sets)
        shares.append(len(speculating) / len(sets))
    assert (sum(shares) / len(shares) > 0.1) == shape.speculates


async def walks_of_hardware(speculation: int) -> tuple[set[str], set[int]]:
    """Return what hardware actors did in some executions, and what was left to them."""
    params = (("file", 0), ("order", 2), ("shape", 0), (SPECULATION, speculation))
    seen, left = set[str](), set[int]()
    async with open_runner(Case("partial_zap", params, "x86-64")) as runner:
        for seed in range(10):
            outcome = runner.run(CATALOGUE.strategy("random"), seed, RandomData(seed))
            assert outcome.verdict.kind == "clean", outcome.verdict.reason
            left |= set(runner.arena["speculation"].view)
            seen |= {site_info(code).name for code in runner.machine.log[::2]}
    return seen, left


async def test_hardware_walks_where_no_thread_does() -> None:
    """partial_zap accesses nothing after its setup but what its own text says."""
    without, none_left = await walks_of_hardware(0)
    with_it, left = await walks_of_hardware(1)
    assert {0} == none_left and 0 in left
    assert LOOKS <= with_it and without < with_it
