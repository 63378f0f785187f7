"""What a program can see of 6.18, and what 6.9 does in its place: owners of large folios, reuse,
partial mappings, tables, whole folios, masks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from sim.core.profile import SMALL, World
from sim.core.pte import DIRTY, PRESENT, WRITE, pte_pfn
from sim.setup import add_file_folio, plant_swap_entry, start, uffd_protect
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from tests.scenarios.driving import Driven, driven
from tests.sim.programs import Bench, mutation, strategies

FOLIO = 4
"""Pages of a folio of order 2, which is what the anonymous mapping at 0 has."""

WORLD = World(
    cpus=3, mms=3, vpages=32, pages=160, vmas=12, tables=16, anon_vmas=6, files=1, file_pages=16, swap_slots=4
)


class Family:
    """A process with a large anonymous folio at 0, whose children are CPUs 1 and 2."""

    def __init__(self, it: Driven) -> None:
        self.it, self.k = it, it.kernel
        self.view = {name: column.view for name, column in it.kernel.arena.columns.items()}

    async def begin(self) -> None:
        """Map the folio."""
        await self.it.run(0, partial(start, self.k.task(0), 0))
        await self.it.run(0, partial(self.k.task(0).mmap, 0, 8, 2))
        await self.store(0, 0)

    async def store(self, cpu: int, addr: int) -> None:
        """Store to a page."""

        async def body() -> None:
            assert await self.k.task(cpu).store(addr) > 0

        await self.it.run(cpu, body)

    async def load(self, cpu: int, addr: int) -> None:
        """Load from a page."""

        async def body() -> None:
            await self.k.task(cpu).load(addr)

        await self.it.run(cpu, body)

    async def fork(self, parent: int, child: int) -> None:
        """The process on CPU ``parent`` forks into the mm and CPU of the number ``child``."""
        await self.it.run(parent, partial(self.k.task(parent).fork, child))
        await self.it.run(child, partial(self.k.task(child).born, child))

    def pte(self, mm: int, addr: int) -> int:
        """Return an entry; 0 if there is no table."""
        table = self.view["pmd"][self.k.pgtable.pmd_index(mm, addr)] - 1
        return self.view["pte"][self.k.pgtable.ptep(table, addr)] if table >= 0 else 0

    def folio(self, mm: int, addr: int) -> int:
        """Return the folio that is mapped at ``addr``."""
        return self.view["page_head"][pte_pfn(self.pte(mm, addr))]

    def owners(self, folio: int) -> tuple[int, int, list[tuple[int, int]]]:
        """Return the total mapcount, whether the folio is marked shared, and (mm, mappings) of its
        slots.
        """
        slots = [
            (self.view["page_mm_id"][2 * folio + k] - 1, self.view["page_mm_id_mapcount"][2 * folio + k])
            for k in (0, 1)
        ]
        return self.view["page_large_mapcount"][folio], self.view["page_mapped_shared"][folio], slots


@asynccontextmanager
async def family(kernel: str, profile: str = "x86-64") -> AsyncIterator[Family]:
    """Yield a family of one; whatever the test does must leave a sound world."""
    async with driven(profile, SMALL, kernel, WORLD) as it:
        found = Family(it)
        await found.begin()
        yield found
        it.kernel.audit(drained=True)


# -- owners and reuse --------------------------------------------------------------------------------------------------


async def test_a_folio_belongs_to_its_mm_until_fork_shares_it() -> None:
    async with family("6.18") as f:
        folio = f.folio(0, 0)
        assert (FOLIO, 0, [(0, FOLIO), (-1, 0)]) == f.owners(folio)
        await f.fork(0, 1)
        assert (2 * FOLIO, 1, [(0, FOLIO), (1, FOLIO)]) == f.owners(folio)
        await f.it.run(1, partial(f.k.task(1).dontneed, 0, 1))
        assert (2 * FOLIO - 1, 1, [(0, FOLIO), (1, FOLIO - 1)]) == f.owners(folio)
        await f.it.run(1, f.k.task(1).exit)
        assert (FOLIO, 0, [(0, FOLIO), (-1, 0)]) == f.owners(folio)


async def test_a_third_mm_has_no_slot_and_leaves_a_stale_mark() -> None:
    """The flag may say shared of what is one mm's alone, and never the reverse (4.9)."""
    async with family("6.18") as f:
        folio = f.folio(0, 0)
        await f.fork(0, 1)
        await f.fork(0, 2)
        assert (3 * FOLIO, 1, [(0, FOLIO), (1, FOLIO)]) == f.owners(folio)
        for cpu in (0, 1):
            await f.it.run(cpu, f.k.task(cpu).exit)
        assert (FOLIO, 1, [(-1, 0), (-1, 0)]) == f.owners(folio)
        await f.store(2, 0)
        assert folio != f.folio(2, 0), "the last mm copies: the mark says shared"


@pytest.mark.parametrize(("kernel", "reused"), [("6.9", False), ("6.18", True)])
async def test_a_large_folio_that_is_ones_own_again_is_reused(kernel: str, reused: bool) -> None:
    """After the child's exit; the pages next to the one that is written stay shared until they are."""
    async with family(kernel) as f:
        folio = f.folio(0, 0)
        await f.fork(0, 1)
        await f.it.run(1, f.k.task(1).exit)
        assert not any(f.view["page_anon_exclusive"][folio : folio + FOLIO])
        await f.store(0, 1)
        assert reused == (f.folio(0, 1) == folio)
        assert [0, int(reused), 0, 0] == f.view["page_anon_exclusive"][folio : folio + FOLIO].tolist()
        assert reused == bool(f.pte(0, 1) & WRITE and f.folio(0, 1) == folio)


async def test_a_folio_that_the_child_still_maps_is_copied() -> None:
    async with family("6.18") as f:
        folio = f.folio(0, 0)
        await f.fork(0, 1)
        await f.store(0, 0)
        assert folio not in (f.folio(0, 0),) and folio == f.folio(1, 0)


async def test_a_folio_with_one_page_left_is_let_go_of() -> None:
    """Its last mapping copies, although nobody else has it (__wp_can_reuse_large_anon_folio)."""
    async with family("6.18") as f:
        folio = f.folio(0, 0)
        await f.fork(0, 1)
        await f.it.run(1, f.k.task(1).exit)
        await f.it.run(0, partial(f.k.task(0).dontneed, 1, 3))
        assert (1, 0, [(0, 1), (-1, 0)]) == f.owners(folio)
        await f.store(0, 0)
        assert folio != f.folio(0, 0) and f.view["page_ref"][folio] == 0


# -- partial mappings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nr", "partly"), [(1, 1), (FOLIO, 0)])
async def test_only_what_is_left_mapped_in_part_is_queued(nr: int, partly: int) -> None:
    async with family("6.18") as f:
        folio, queued = f.folio(0, 0), []
        deferred_split_folio = f.k.huge_memory.deferred_split_folio

        async def noted(folio: int) -> None:
            queued.append(folio)
            await deferred_split_folio(folio)

        f.k.huge_memory.deferred_split_folio = noted  # type: ignore[method-assign]
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, nr))
        assert [folio] * partly == queued
        assert (partly, partly) == (f.view["page_partially_mapped"][folio], f.view["page_deferred"][folio])
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, FOLIO))
        assert (0, 0, 0) == (
            f.view["page_partially_mapped"][folio],
            f.view["page_deferred"][folio],
            f.view["split_queue_len"][0],
        )


# -- entries and tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "batches"), [("6.9", [1, 1, 1]), ("6.18", [2, 1])])
async def test_swap_entries_of_consecutive_slots_go_together(kernel: str, batches: list[int]) -> None:
    async with family(kernel) as f:
        freed: list[int] = []
        free_swap_and_cache_nr = f.k.swapfile.free_swap_and_cache_nr

        async def noted(slot: int, nr: int) -> None:
            freed.append(nr)
            await free_swap_and_cache_nr(slot, nr)

        f.k.swapfile.free_swap_and_cache_nr = noted  # type: ignore[method-assign]
        for addr, slot in ((4, 0), (5, 1), (6, 3)):
            await f.it.run(0, partial(plant_swap_entry, f.k.task(0), addr, slot))
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, 8))
        assert batches == freed
        assert not any(f.view["swap_map"])


@pytest.mark.parametrize(("kernel", "profile", "nr", "gone"), [
    ("6.18", "x86-64", 8, True), ("6.18", "x86-64", 7, False),
    ("6.18", "arm64-4k", 8, False), ("6.9", "x86-64", 8, False),
])  # fmt: skip
async def test_a_table_that_is_emptied_whole_is_freed(kernel: str, profile: str, nr: int, gone: bool) -> None:
    async with family(kernel, profile) as f:
        assert f.view["mm_pgtables"][0] == 1
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, nr))
        assert (0 if gone else 1) == f.view["mm_pgtables"][0]
        assert gone == (f.view["pmd"][f.k.pgtable.pmd_index(0, 0)] == 0)
        await f.store(0, 0)
        assert f.view["mm_pgtables"][0] == 1 and f.pte(0, 0) & PRESENT


async def test_a_table_that_holds_a_marker_stays() -> None:
    async with family("6.18") as f:
        for index in range(0, 8, 4):
            await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, index, 2))
        await f.it.run(0, partial(f.k.task(0).mmap, 8, 8, file=0, shared=True, uffd_wp=True))
        await f.load(0, 9)
        await f.it.run(0, partial(uffd_protect, f.k.task(0), 9))
        await f.it.run(0, partial(f.k.task(0).dontneed, 8, 8))
        assert f.pte(0, 9) and not f.pte(0, 9) & PRESENT
        assert f.view["mm_pgtables"][0] == 2


# -- file folios -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "nr"), [("6.9", 1), ("6.18", FOLIO)])
async def test_a_write_fault_maps_a_files_folio_whole(kernel: str, nr: int) -> None:
    """Every page that it maps is writable and dirty, and holds a reference."""
    async with family(kernel) as f:
        for index in range(0, 8, 4):
            await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, index, 2))
        await f.it.run(0, partial(f.k.task(0).mmap, 8, 8, file=0, shared=True))
        await f.store(0, 9)
        folio = f.folio(0, 9)
        mapped = [addr for addr in range(8, 16) if f.pte(0, addr) & PRESENT]
        assert (list(range(8, 12)) if nr > 1 else [9]) == mapped
        assert all(f.pte(0, addr) & (WRITE | DIRTY) == WRITE | DIRTY for addr in mapped)
        assert FOLIO + nr == f.view["page_ref"][folio] and sum(f.k.rss(0)) == FOLIO + nr


async def test_a_folio_that_does_not_fit_the_vma_is_mapped_page_by_page() -> None:
    async with family("6.18") as f:
        await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 2))
        await f.it.run(0, partial(f.k.task(0).mmap, 8, 2, file=0, shared=True))
        await f.store(0, 9)
        assert [9] == [addr for addr in range(8, 16) if f.pte(0, addr) & PRESENT]


# -- x86-64's mask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stays"), [("6.9", False), ("6.18", True)])
async def test_a_cpu_that_switches_away_stays_in_the_mask_until_it_is_trimmed(kernel: str, stays: bool) -> None:
    async with family(kernel) as f:
        await f.it.run(1, partial(start, f.k.task(1), 0))
        await f.it.run(1, partial(start, f.k.task(1), 1))
        assert stays == bool(f.view["mm_cpumask"][0] & 2)
        await f.it.run(0, partial(f.k.task(0).munmap, 0, 8))
        assert not f.view["mm_cpumask"][0] & 2, (
            "freed tables interrupt everybody in the mask, and who is wrong there leaves it"
        )


# -- madvise -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "nr", "held"), [("6.18", 8, 0), ("6.18", 12, 1), ("6.9", 8, 1)])
async def test_madvise_in_one_vma_finishes_its_gather_without_the_lock(kernel: str, nr: int, held: int) -> None:
    """In two VMAs, or in 6.9, the mmap lock is held until the TLB is flushed; and 6.18 has one
    gather for both.
    """
    async with family(kernel) as f:
        await f.it.run(0, partial(f.k.task(0).mmap, 8, 8))
        locks: list[int] = []
        tlb_finish_mmu = f.k.mmu_gather.tlb_finish_mmu

        async def noted(tlb: int) -> None:
            locks.append(f.view["mmap_lock"][0])
            await tlb_finish_mmu(tlb)

        f.k.mmu_gather.tlb_finish_mmu = noted  # type: ignore[method-assign]
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, nr))
        assert [held] == locks


# -- tables under readers ----------------------------------------------------------------------------------------------

BROKEN = {
    "a table is taken for empty": (mutation("pt_reclaim", is_empty=lambda self, original, table: _yes()), {"I22b"}),
    "a table is freed at once": (
        mutation("mmu_gather", pte_free_tlb=lambda self, original, tlb, table, addr: self.k.pgtable.pte_free(table)),
        {"I22", "I22b"},
    ),
}
"""What is done wrong, and which invariants may say so."""


async def _yes() -> bool:
    return True


@pytest.mark.parametrize("what", BROKEN)
async def test_a_table_that_goes_too_early_is_found(what: str) -> None:
    """PT_RECLAIM takes tables under readers: the checkers see when one goes that is still wanted."""
    broken, invariants = BROKEN[what]
    catalogue, seen = Bench({"0": broken}), set()
    for params in CATALOGUE.scenario_class("empty_tables").parameters(CATALOGUE.profile("x86-64"), SMALL):
        case = Case("empty_tables", tuple(sorted(params.items())), "x86-64", kernel="6.18", faults=("0",))
        async with open_runner(case, catalogue=catalogue) as runner:
            for seed in range(60):
                violation = runner.run(strategies()[seed % 3], seed, RandomData(seed)).verdict.violation
                seen |= {violation.checker} if violation else set()
        if seen & invariants:
            return
    raise AssertionError(seen)
