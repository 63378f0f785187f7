"""The scenarios together reach every row of the zap path's step table (rows.py), every site, and
every ordered pair of operations (6.3).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import sim.compose
import sim.setup
from sim.core.machine import SITES
from sim.core.operations import OPERATIONS
from sim.core.profile import Profile
from sim.versions import VERSIONS
from stress.case import Case
from stress.catalogue import CATALOGUE, modules
from stress.execution.absent import ABSENT, why_absent
from stress.execution.runner import open_runner
from stress.machine.driver import run_plain
from stress.native.kernels import KernelKey
from stress.native.runner import Library, NativeCase
from stress.sources import ROOT
from tests.scenarios.rows import ROWS
from tests.stress.native.compiled import all_cases, needs_compiler, quick

PROFILES = list(CATALOGUE.profiles())

PAIRS = {f"{a} / {b}" for a, b in product(OPERATIONS, repeat=2)}

EXECUTIONS, ROUNDS_MAX = 20, 6
"""Executions of every case under each strategy, and how often they are made until nothing is
missing.
"""


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
    pairs: set[str] = field(default_factory=set)


def reach(profile: str, version: str) -> Reached:
    """Execute every case natively, under random and PCT, and again with other seeds while
    something is missing; return what is reached.
    """
    scenarios, kind = list(CATALOGUE.scenarios()), CATALOGUE.profile(profile).at(version)
    compiled, reached = quick(KernelKey(profile, version), scenarios), Reached()
    for seed in (k * EXECUTIONS for k in range(ROUNDS_MAX)):
        for case in [case for name in scenarios for case in all_cases(name, profile, version)]:
            run_plain(execute(compiled, case, seed, reached))
        wanted = {name for name in names_of(kind, version) if not why_absent(name, kind, version)}
        if wanted <= reached.sites and PAIRS <= reached.pairs:
            break
    return reached


async def execute(compiled: Library, case: Case, first: int, reached: Reached) -> None:
    """Execute seeds of ``case`` from ``first`` on, and note what the clean ones reach."""
    async with open_runner(case, "plain") as runner:
        native = NativeCase(compiled, runner)
        native.take_counts()
        for name in ("random", "pct"):
            strategy, seed = CATALOGUE.strategy(name), first
            while seed < first + EXECUTIONS:
                ran = native.run(strategy, seed, first + EXECUTIONS - seed)
                seed += ran.clean + (ran.why > 0)
        counts = native.take_counts()
    reached.sites |= counts.visits.keys()
    reached.pairs |= counts.overlaps.keys()


def test_rows_are_numbered_as_in_the_table() -> None:
    """Every row of 2.15 is there; each has sites or says why it has none."""
    assert list(range(1, 24)) == sorted({row.number for row in ROWS})
    assert [] == [row.name for row in ROWS if bool(row.sites) == bool(row.private)]


def test_what_is_said_to_be_absent_exists() -> None:
    """The list of what is not reached names sites that there are."""
    assert sim.compose.GENERIC and sim.setup.BOOT_USERS, "the model is imported, so that its sites are declared"
    names = {info.name for info in SITES}
    unknown = [
        site
        for absent in ABSENT
        for site in absent.sites
        if not any(name == site or name.startswith(site) for name in names)
    ]
    assert [] == unknown


@needs_compiler
@pytest.mark.parametrize("kernel", ("6.9", "6.12", "6.18", "7.3"))
@pytest.mark.parametrize("profile", PROFILES)
def test_reach(profile: str, kernel: str) -> None:
    """Rows, sites, pairs are reached; and nothing that is listed as absent is reached after all."""
    kind, found = CATALOGUE.profile(profile).at(kernel), reach(profile, kernel)
    missing_rows = [
        f"row {row.number}, {row.name}: {site}"
        for row in ROWS
        if row.where(kind)
        for site in row.sites
        if site not in found.sites
    ]
    missing_sites = sorted(
        name for name in names_of(kind, kernel) if name not in found.sites and not why_absent(name, kind, kernel)
    )
    assert [] == missing_rows
    assert [] == missing_sites
    assert [] == sorted(PAIRS - found.pairs)
    assert [] == sorted(name for name in found.sites if why_absent(name, kind, kernel))
