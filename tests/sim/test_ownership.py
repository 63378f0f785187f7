"""Plain code touches only what steps have ordered: without it a run of the parallel machine could
not be replayed (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.core.slab import SLOTS_PER_WORD
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from tests.sim.ownership import Ownership, watched

LOOK_UPS = ("vma_lookup", "vmas_in", "_neighbours", "file_vmas", "anon_vmas")

UNORDERED = {
    **{
        (
            column,
            function,
        ): "a look-up passes over slots of others, which compare unequal before and after whatever happens to them"
        for column in ("vma_mm", "vma_attached", "vma_linked", "vma_anon_vma", "vma_file")
        for function in LOOK_UPS
    },
    **{
        (column, "vma_lookup"): "a look without the mmap lock that met a change of the tree is made again (mas_walk)"
        for column in ("vma_start", "vma_end")
    },
    **{
        (column, "contains"): "a VMA that is locked for reading and attached stays as it is; else the answer is no"
        for column in ("vma_mm", "vma_attached", "vma_start", "vma_end")
    },
    ("vm_lock_seq", "is_write_locked"): "of a slot in others' hands, whose lock is given back in either case",
    **{
        (column, "answerable"): "asked by the CPU's own hardware, whose gate opens by the same cells"
        for column in ("irq_off", "rcu_nesting")
    },
    **{
        (
            "page_mapping",
            function,
        ): "only whether the folio is anonymous, which its removal from the page cache does not change"
        for function in ("folio_referenced", "first_anon_folio", "is_locked_to_age")
    },
    **{
        (column, "is_taken"): "asked by audits alone, while every actor stands still"
        for column in ("vma_slab", "anon_vma_slab", "table_slab")
    },
    ("req_kind", "answerable"): "of a request whose bit the CPU's own hardware has seen: its kind was stored before",
    ("cpu_request", "_nest"): "only whether this CPU's own hardware is told at once that it may go",
}
"""Accesses that no step orders, by column and the function that reads, and why it does not matter.
"""

CASES_MAX = 3
"""Parameter sets of each scenario."""


def cases(profile: str, kernel: str) -> Iterator[Case]:
    """Yield some cases of every scenario."""
    for name in CATALOGUE.scenarios():
        known = CATALOGUE.scenario_class(name).parameters(CATALOGUE.profile(profile).at(kernel), "small")
        for params in known[:: max(1, len(known) // CASES_MAX)]:
            yield Case(name, tuple(sorted(params.items())), profile, kernel=kernel)


async def races(case: Case, seeds: range, catalogue: Catalogue = CATALOGUE) -> Ownership:
    """Execute ``case`` under watch, return what was found."""
    profile = CATALOGUE.profile(case.profile)
    with watched(
        CATALOGUE.scenario_class(case.scenario)(profile, case.geometry, dict(case.params)).world().cpus
    ) as found:
        async with open_runner(case, catalogue=catalogue) as runner:
            found.listen(runner.machine)
            for seed in seeds:
                found.begin()
                outcome = runner.run(CATALOGUE.strategy(("random", "pct")[seed % 2]), seed, RandomData(seed))
                found.on = False
                assert outcome.verdict.kind == "clean", outcome.verdict.reason
    return found


@pytest.mark.parametrize("kernel", ("6.9", "6.18-flushfirst"))
@pytest.mark.parametrize("profile", list(CATALOGUE.profiles()))
async def test_steps_order_what_plain_code_touches(profile: str, kernel: str) -> None:
    unordered: set[tuple[str, str, str]] = set()
    for case in cases(profile, kernel):
        found = await races(case, range(2))
        unordered |= {race for race in found.races if not {race[:2], (race[0], race[2])} & UNORDERED.keys()}
    assert set() == unordered


class Peeking:
    """VMAs are found free by a look, and not taken by a step: two mms can find the same one."""

    component = "mmap"

    async def vm_area_alloc(self, mm: int) -> int:
        vma_mm = self.vma_mm  # type: ignore[attr-defined]
        vma = next(v for v in range(len(vma_mm)) if not vma_mm[v])
        vma_mm[vma] = mm + 1
        self.vma_slab.view[vma // SLOTS_PER_WORD] |= 1 << vma % SLOTS_PER_WORD  # type: ignore[attr-defined]
        return int(vma)


class Peeked(Catalogue):
    """The catalogue whose one fault is Peeking."""

    def fault_class(self, name: str) -> type:
        return Peeking


async def test_what_no_step_orders_is_seen() -> None:
    case = Case("storm", (("length", 8), ("order", 0), ("phase", 0)), "x86-64", faults=("PEEKING",))
    found = await races(case, range(16), Peeked())
    assert "vm_area_alloc" in {function for column, function, _ in found.races if column == "vma_mm"}
    assert {("vma_mm", "vm_area_alloc", "vm_area_alloc")} <= found.races.keys()
