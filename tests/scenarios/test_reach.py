"""The scenarios together reach every row of the zap path's step table (rows.py), every site, and
every ordered pair of operations (6.3).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import sim.compose
from sim.core.machine import SITES
from sim.core.operations import OPERATIONS
from sim.core.profile import SMALL, Profile
from sim.versions import VERSIONS
from stress.case import Case
from stress.catalogue import CATALOGUE, modules
from stress.execution.absent import ABSENT, why_absent
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.sources import ROOT
from tests.scenarios.rows import ROWS

PROFILES = list(CATALOGUE.profiles())

ROUNDS_MAX = 6
"""Rounds of one execution of every scenario and parameter set, until nothing is missing."""


@cache
def declared_by_architectures() -> dict[str, set[str]]:
    """Return, for each file of sim/arch/, the names of the sites that it declares."""
    return {module: declared_in(file) for module, file in modules("sim.arch")}


@cache
def declared_by_others(version: str) -> set[str]:
    """Return the names of the sites that only versions declare which ``version`` takes nothing
    from.
    """
    mine = {base.__module__ for cls in VERSIONS[version].components for base in cls.__mro__}
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in (ROOT / "sim" / "versions").rglob("*.py")
    }
    return {name for module, file in files.items() if module not in mine for name in declared_in(file)}


@cache
def declared_by_patches() -> set[str]:
    """Return the names of the sites that only patches declare, which another test has imported."""
    model = set().union(*(declared_in(file) for file in (ROOT / "sim").rglob("*.py")))
    return set().union(*(declared_in(file) for file in CATALOGUE.patch_files().values())) - model


def declared_in(file: Path) -> set[str]:
    """Return the names of the sites that ``file`` declares."""
    calls = [
        node.args
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "site"
    ]
    return {": ".join(map(ast.literal_eval, args)) for args in calls if all(isinstance(a, ast.Constant) for a in args)}


def names_of(profile: Profile, version: str) -> set[str]:
    """Return the sites that ``profile`` has in ``version``: the generic ones and those of their own
    files.
    """
    mine = {cls.__module__ for cls in profile.components.values()}
    foreign = set().union(*(names for module, names in declared_by_architectures().items() if module not in mine))
    kept = set().union(*(names for module, names in declared_by_architectures().items() if module in mine))
    toys = {info.name for info in SITES if info.function.startswith(("toy", "mutation", "test"))}
    return (
        {info.name for info in SITES if info.step}
        - (foreign - kept)
        - declared_by_others(version)
        - declared_by_patches()
        - toys
    )


@dataclass
class Reached:
    """What the executions visited."""

    sites: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)


def cases(profile: str, version: str) -> Iterator[Case]:
    """Yield every scenario with every parameter set."""
    for name in CATALOGUE.scenarios():
        for params in CATALOGUE.scenario_class(name).parameters(CATALOGUE.profile(profile).at(version), SMALL):
            yield Case(name, tuple(sorted(params.items())), profile, kernel=version)


async def execute(case: Case, seeds: range, reached: Reached) -> None:
    """Run ``case`` under random and PCT, and note what it reaches."""
    async with open_runner(case) as runner:
        for name, seed in product(("random", "pct"), seeds):
            outcome = runner.run(CATALOGUE.strategy(name), seed, RandomData(seed))
            visits = outcome.visits()
            reached.sites |= {SITES[number].name for number in visits.nonzero()[0]}
            reached.pairs |= set(outcome.overlaps())


async def reach(profile: str, version: str) -> Reached:
    """Run every case, and again with other seeds while something is missing."""
    reached, kind = Reached(), CATALOGUE.profile(profile).at(version)
    wanted: set[str] = set()
    for at in range(ROUNDS_MAX):
        for case in cases(profile, version):
            await execute(case, range(2 * at, 2 * at + 2), reached)
            if at and wanted <= reached.sites and set(product(OPERATIONS, repeat=2)) <= reached.pairs:
                return reached
        wanted = {name for name in names_of(kind, version) if not why_absent(name, kind, version)}
        if wanted <= reached.sites and set(product(OPERATIONS, repeat=2)) <= reached.pairs:
            return reached
    return reached


def test_rows_are_numbered_as_in_the_table() -> None:
    """Every row of 2.15 is there; each has sites or says why it has none."""
    assert list(range(1, 24)) == sorted({row.number for row in ROWS})
    assert [] == [row.name for row in ROWS if bool(row.sites) == bool(row.private)]


def test_what_is_said_to_be_absent_exists() -> None:
    """The list of what is not reached names sites that there are."""
    assert sim.compose.GENERIC, "the model is imported, so that its sites are declared"
    names = {info.name for info in SITES}
    unknown = [
        site
        for absent in ABSENT
        for site in absent.sites
        if not any(name == site or name.startswith(site) for name in names)
    ]
    assert [] == unknown


async def judge(profile: str, version: str) -> None:
    """Rows, sites, pairs are reached; and nothing that is listed as absent is reached after all."""
    found, kind = await reach(profile, version), CATALOGUE.profile(profile).at(version)
    missing_rows = [
        f"row {row.number}, {row.name}: {site}"
        for row in ROWS
        if row.where(kind)
        for site in row.sites
        if site not in found.sites
    ]
    missing_sites = sorted(
        name for name in names_of(kind, version) if name not in found.sites and not why_absent(name, kind, version)
    )
    assert [] == missing_rows
    assert [] == missing_sites
    assert [] == sorted(set(product(OPERATIONS, repeat=2)) - found.pairs)
    assert [] == sorted(name for name in found.sites if why_absent(name, kind, version))


@pytest.mark.parametrize("profile", PROFILES)
async def test_reach(profile: str) -> None:
    """6.9 on this profile."""
    await judge(profile, "6.9")


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ("6.12", "7.3"))
@pytest.mark.parametrize("profile", PROFILES)
async def test_reach_in_others(profile: str, kernel: str) -> None:
    """6.12 and 7.3 on this profile."""
    await judge(profile, kernel)


@pytest.mark.parametrize("profile", PROFILES)
async def test_reach_in_6_18(profile: str) -> None:
    """6.18 on this profile."""
    await judge(profile, "6.18")
