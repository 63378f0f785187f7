"""The patches with a mistake in them: each composes where it applies, and scenarios reach what it
overrides. Whether the search finds them is measured by ``zapstress selfcheck --patches``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sim.compose import compose
from sim.core.profile import World
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue, only_class
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.selfcheck.patches import PlantedPatch, planted

PATCHES = {name: planted(name, file) for name, file in CATALOGUE.patch_files().items()}

EXECUTIONS = 3
"""Of each case, when it is looked for what scenarios reach."""

Method = tuple[str, str]
"""A component and a method of it."""


def class_of(patch: PlantedPatch) -> type:
    """Return the one class of a patch's file."""
    module = importlib.import_module(f"scenarios.patches.{patch.name}")
    return only_class(module, CATALOGUE.patch_files()[patch.name], None, "component")


def profiles_of(patch: PlantedPatch) -> tuple[str, ...]:
    """Return the profiles that a patch applies to."""
    return patch.profiles or tuple(CATALOGUE.profiles())


def overridden(patch: PlantedPatch) -> list[Method]:
    """Return what the patch overrides."""
    return [(patch.component, name) for name, value in vars(class_of(patch)).items() if callable(value)]


def test_there_are_many_of_either_kind_over_everything() -> None:
    kinds = [patch.kind for patch in PATCHES.values()]
    assert min(kinds.count("sequence"), kinds.count("interleaving")) >= 15
    assert {"6.9", "6.12", "6.18-flushfirst", "7.3-flushfirst"} == {patch.kernel for patch in PATCHES.values()}
    kernel = compose(CATALOGUE.profile("x86-64"), "small", "6.18", World())
    about_none = {"ledger", "checks", "audits", "checks_owners"}
    components = {name for name in kernel.components if not name.startswith(("check", "audit"))} - about_none
    assert components == {patch.component for patch in PATCHES.values()}


def test_every_file_of_an_architecture_has_one_of_its_own() -> None:
    own = {patch.profiles for patch in PATCHES.values()}
    arm64 = ("arm64-4k", "arm64-16k", "arm64-64k")
    assert {("x86-64",), arm64, ("s390x",), ("ppc64-radix",), ("ppc64-hash",), ("riscv64",)} <= own


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_overrides_one_method_where_it_applies(name: str) -> None:
    patch = PATCHES[name]
    ((component, method),) = overridden(patch)
    for profile in profiles_of(patch):
        kernel = compose(CATALOGUE.profile(profile), "small", patch.kernel, World(files=1), (class_of(patch),))
        stands = type(kernel.components[component])
        assert name in getattr(stands, method).__module__
        assert any(method in vars(base) for base in stands.__mro__[2:])


class Counting(Catalogue):
    """Composes the sound kernel, and notes which of some methods are called."""

    def __init__(self, methods: set[Method]) -> None:
        self.reached: set[Method] = set()
        names = sorted({component for component, _ in methods})
        self.counted = [self._part(name, sorted(m for c, m in methods if c == name)) for name in names]

    def _part(self, component: str, methods: list[str]) -> type:
        part = type("Counted", (), {"component": component})
        for method in methods:
            setattr(part, method, self._counted(part, component, method))
        return part

    def _counted(self, part: type, component: str, method: str) -> Callable[..., Any]:
        def counted(this: Any, *args: Any, **more: Any) -> Any:
            self.reached.add((component, method))
            below = next(cls for cls in type(this).__mro__[2:] if method in vars(cls))
            return getattr(below, method)(this, *args, **more)

        return counted

    def compose(self, *, profile: Any, geometry: str, kernel: str, world: Any, faults: Any, **more: Any) -> Any:
        return compose(profile, geometry, kernel, world, self.counted)


def places() -> dict[tuple[str, str], set[Method]]:
    """Return what is overridden, by profile and version: one place for each patch."""
    found: dict[tuple[str, str], set[Method]] = {}
    for patch in PATCHES.values():
        found.setdefault((profiles_of(patch)[0], patch.kernel), set()).update(overridden(patch))
    return found


def cases(profile: str, kernel: str) -> Iterator[Case]:
    """Yield the cases of a place: each scenario's first parameter set, then the second, ..."""
    sets = {
        scenario: CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile).at(kernel), "small")
        for scenario in CATALOGUE.scenarios()
    }
    for rank in range(max(map(len, sets.values()))):
        for scenario, found in sets.items():
            if rank < len(found):
                yield Case(scenario, tuple(sorted(found[rank].items())), profile, kernel=kernel)


@pytest.mark.parametrize("place", sorted(places()))
async def test_scenarios_reach_what_is_overridden(place: tuple[str, str]) -> None:
    wanted = places()[place]
    catalogue = Counting(wanted)
    for case in cases(*place):
        if catalogue.reached == wanted:
            break
        async with open_runner(case, catalogue=catalogue) as runner:
            for seed in range(EXECUTIONS):
                runner.run(CATALOGUE.strategy("pct"), seed, RandomData(seed))
    assert set() == wanted - catalogue.reached


FOUND_AT_ONCE = {
    "age_keeps_reference": ("age_vs_exit", "x86-64"),
    "around_reference_of_lookup_kept": ("age_vs_exit", "x86-64"),
    "contpte_converts_without_flush": ("contiguous", "arm64-4k"),
    "cow_unmaps_before_flush": ("cow_vs_dontneed", "x86-64"),
    "dontneed_to_vma_end": ("dontneed_vs_dontneed", "x86-64"),
    "radix_local_if_running": ("batch_edges", "ppc64-radix"),
    "riscv_tables_by_range": ("age_vs_exit", "riscv64"),
    "s390_table_not_noted": ("batch_edges", "s390x"),
    "x86_lazy_return_unchecked": ("lazy_cpu", "x86-64"),
}
"""Some patches, of either kind and on every architecture, and where a few executions show them."""

SOON = 200
"""Executions of each case that are a few."""


@pytest.mark.parametrize("name", FOUND_AT_ONCE)
async def test_a_violation_is_found_with_the_patch_and_not_without_it(name: str) -> None:
    patch, (scenario, profile) = PATCHES[name], FOUND_AT_ONCE[name]
    params = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile).at(patch.kernel), "small")[0]
    kinds = {}
    for specs in ((patch.path,), ()):
        case = Case(scenario, tuple(sorted(params.items())), profile, kernel=patch.kernel, patch=specs)
        async with open_runner(case) as runner:
            if runner.failed is not None:
                kinds[specs] = {runner.failed.verdict.kind}
                continue
            strategy = CATALOGUE.strategy("pct")
            kinds[specs] = {runner.run(strategy, seed, RandomData(seed)).verdict.kind for seed in range(SOON)}
    assert "violation" in kinds[patch.path,]
    assert {"clean"} == kinds[()]


@pytest.mark.parametrize(("patch", "found"), [("ages_with_bits_of_first", {"I29"}), ("", set())])
async def test_a_dirty_bit_that_ageing_loses_under_the_folio_lock_is_noticed(patch: str, found: set[str]) -> None:
    """It is in the hand of the one who has the folio locked until the folio is unlocked."""
    params = (("dirty", 1), ("order", 2), ("quiet", 1))
    files = (str(CATALOGUE.patch_files()[patch]),) if patch else ()
    case = Case("munmap_vs_writeback", params, "x86-64", kernel="7.3-flushfirst", patch=files)
    checkers: set[str] = set()
    async with open_runner(case) as runner:
        for seed in range(20):
            verdict = runner.run(CATALOGUE.strategy("random"), seed, RandomData(seed)).verdict
            if verdict.violation is not None:
                checkers.add(verdict.violation.checker)
    assert found == checkers
