"""What a program can see of 6.12, beside what 6.9 and 6.18 do in its place: the total mapcount,
partial mappings, swap entries that stay, whole folios of shared memory, files left in batches.
"""

from __future__ import annotations

from functools import partial

import pytest

from sim.core.pte import PRESENT
from sim.mm.memory import Zap, ZapDetails
from sim.setup import add_file_folio, plant_swap_entry, start
from tests.sim.test_v6_18 import FOLIO, Family, family


async def test_the_total_counts_every_mapping_of_every_mm() -> None:
    """By additions, without a lock: there are no owners."""
    async with family("6.12") as f:
        folio = f.folio(0, 0)
        assert "page_mm_id" not in f.view and FOLIO == f.view["page_large_mapcount"][folio]
        await f.fork(0, 1)
        assert 2 * FOLIO == f.view["page_large_mapcount"][folio]
        await f.it.run(1, partial(f.k.task(1).dontneed, 0, 1))
        assert 2 * FOLIO - 1 == f.view["page_large_mapcount"][folio]
        await f.it.run(1, f.k.task(1).exit)
        assert FOLIO == f.view["page_large_mapcount"][folio]
        await f.store(0, 1)
        assert folio != f.folio(0, 1), "a large folio is never reused"


@pytest.mark.parametrize(("nr", "partly"), [(1, 1), (FOLIO, 0)])
async def test_only_what_is_left_mapped_in_part_is_queued(nr: int, partly: int) -> None:
    async with family("6.12") as f:
        folio = f.folio(0, 0)
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, nr))
        assert (partly, partly) == (f.view["page_partially_mapped"][folio], f.view["page_deferred"][folio])


@pytest.mark.parametrize(("kernel", "passed"), [("6.9", 1), ("6.12", 3), ("6.18", 1)])
async def test_swap_entries_that_stay_are_passed_as_a_batch(kernel: str, passed: int) -> None:
    """The batch is measured before it is asked whether private copies go."""
    async with family(kernel) as f:
        for addr in (4, 5, 6):
            await f.it.run(0, partial(plant_swap_entry, f.k.task(0), addr, addr - 4))
        table = f.view["pmd"][f.k.pgtable.pmd_index(0, 4)] - 1
        ptep = f.k.pgtable.ptep(table, 4)
        zap = Zap(0, 0, f.k.mm_types.vma_lookup(0, 4), 8, table, ZapDetails(even_cows=False), [0] * 4)
        seen: list[int] = []

        async def body() -> None:
            seen.append(await f.k.memory.zap_nonpresent(zap, 4, ptep, f.view["pte"][ptep]))

        await f.it.run(0, body)
        assert [passed] == seen and zap.skipped and all(f.view["swap_map"][:3])


async def mapped_by_a_store(f: Family, shmem: bool, shared: bool) -> list[int]:
    """Return what a store maps of the first folio of a file."""
    await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 2, shmem=shmem))
    await f.it.run(0, partial(f.k.task(0).mmap, 8, 8, file=0, shared=shared))
    await f.store(0, 9)
    return [addr for addr in range(8, 16) if f.pte(0, addr) & PRESENT]


@pytest.mark.parametrize(
    ("kernel", "shmem", "shared", "nr"),
    [("6.9", True, True, 1), ("6.12", True, True, FOLIO), ("6.12", False, True, 1), ("6.12", True, False, 1),
     ("6.18", False, True, FOLIO)],
)  # fmt: skip
async def test_a_folio_is_mapped_whole_in_shared_memory_alone(kernel: str, shmem: bool, shared: bool, nr: int) -> None:
    async with family(kernel) as f:
        assert (list(range(8, 12)) if nr > 1 else [9]) == await mapped_by_a_store(f, shmem, shared)


@pytest.mark.parametrize(("kernel", "holds"), [("6.9", 2), ("6.12", 1)])
async def test_vmas_of_a_file_are_unlinked_under_one_hold_of_its_lock(kernel: str, holds: int) -> None:
    async with family(kernel) as f:
        await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 2))
        for addr in (8, 16):
            await f.it.run(0, partial(f.k.task(0).mmap, addr, 8, file=0, shared=True))
        unlinked: list[int] = []
        unlink_file_vmas = f.k.rmap.unlink_file_vmas

        async def noted(file: int, vmas: list[int]) -> None:
            unlinked.append(len(vmas))
            await unlink_file_vmas(file, vmas)

        f.k.rmap.unlink_file_vmas = noted  # type: ignore[method-assign]
        await f.it.run(0, partial(f.k.task(0).munmap, 8, 16))
        assert holds == len(unlinked) and 2 == sum(unlinked)


@pytest.mark.parametrize(("kernel", "stays"), [("6.9", False), ("6.12", False), ("6.18", True)])
async def test_a_cpu_that_switches_away_leaves_the_mask(kernel: str, stays: bool) -> None:
    async with family(kernel) as f:
        await f.it.run(1, partial(start, f.k.task(1), 0))
        await f.it.run(1, partial(start, f.k.task(1), 1))
        assert stays == bool(f.view["mm_cpumask"][0] & 2)
