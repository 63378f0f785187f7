"""Every scenario on every profile ends clean on the clean kernels, under random and PCT.

Small; campaigns do the rest.
"""

from __future__ import annotations

import pytest

from sim.core.profile import REAL, SMALL
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData

EACH_MIN = 24
"""Executions of each scenario on each profile, at least, spread over its parameter sets."""

MENDED = "6.18-flushfirst"
"""6.18 as released is not clean (tests/scenarios/test_findings.py)."""

SCENARIOS, PROFILES = list(CATALOGUE.scenarios()), list(CATALOGUE.profiles())


def cases(scenario: str, profile: str, geometry: str, kernel: str) -> list[Case]:
    """Return a case for every parameter set."""
    sets = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile).at(kernel), geometry)
    return [Case(scenario, tuple(sorted(params.items())), profile, geometry, kernel) for params in sets]


async def run(case: Case, seeds: range) -> list[str]:
    """Return what was not clean in the executions of ``case``."""
    found = []
    async with open_runner(case) as runner:
        for name in ("random", "pct"):
            strategy = CATALOGUE.strategy(name)
            for seed in seeds:
                verdict = runner.run(strategy, seed, RandomData(seed)).verdict
                if verdict.kind != "clean":
                    found.append(f"{case} {name} {seed}: {verdict.kind} {verdict.reason} {verdict.error!r}")
    return found


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_clean(scenario: str, profile: str) -> None:
    """6.9, small geometry."""
    chosen = cases(scenario, profile, SMALL, "6.9")
    each = -(-EACH_MIN // (2 * len(chosen)))
    assert [] == [line for case in chosen for line in await run(case, range(each))]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_clean_per_page(scenario: str, profile: str) -> None:
    """6.9-perpage, one execution of every third parameter set."""
    assert [] == [
        line for case in cases(scenario, profile, SMALL, "6.9-perpage")[::3] for line in await run(case, range(1))
    ]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("kernel", ("6.12", "7.3-flushfirst"))
async def test_clean_in_others(scenario: str, profile: str, kernel: str) -> None:
    """6.12, and 7.3 without its finding, one execution of every third parameter set."""
    assert [] == [line for case in cases(scenario, profile, SMALL, kernel)[1::3] for line in await run(case, range(1))]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_clean_in_6_18(scenario: str, profile: str) -> None:
    """6.18 without its finding, one execution of every second parameter set."""
    assert [] == [line for case in cases(scenario, profile, SMALL, MENDED)[::2] for line in await run(case, range(1))]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ("6.9", MENDED))
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_clean_at_real_geometry(scenario: str, profile: str, kernel: str) -> None:
    """The kernel's own sizes: the first and the last parameter set."""
    chosen = cases(scenario, profile, REAL, kernel)
    assert [] == [line for case in {chosen[0], chosen[-1]} for line in await run(case, range(2))]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders_rotate(scenario: str, profile: str) -> None:
    """A scenario with a folio order takes every order of the small geometry that its world has room
    for, from 0 to the largest.
    """
    for geometry in (SMALL, REAL):
        sets = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile), geometry)
        assert len(sets) == len({tuple(sorted(params.items())) for params in sets})
        found = {params["order"] for params in sets if "order" in params}
        known = CATALOGUE.profile(profile).geometry(geometry).orders
        assert not found or (found <= set(known) and 0 in found and len(found) > 1)
        assert not found or geometry == REAL or found == set(known)
