"""The kernel's own arithmetic at real geometry, as the running model yields it: nothing here is
read off a constant of the model.

Gather capacities and free chunks, the hash entries of one lazy-MMU batch (7.6), flush ceilings (7).
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.profile import REAL, World
from sim.hardware.tlb import ALL
from sim.setup import start
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import BUDGET_STEPS_MAX, SETUP_STEPS_MAX, open_runner
from tests.scenarios.driving import driven

GRANT = site("test", "grant references")
LOCK = site("test", "lock mmap for reading")
UNLOCK = site("test", "unlock mmap")

PROFILES = list(CATALOGUE.profiles())
GATHERING = [name for name in PROFILES if CATALOGUE.profile(name).gathers]

CAPACITY = {4096: (9678, 4849, 9698), 16384: (8187, 4096, 8192), 65536: (8196, 4099, 8198)}
"""Page size in bytes -> entries until the gather says full: singles, pairs, and singles before the
series.
"""

CEILING = {
    "x86-64": 33,
    "arm64-4k": 511,
    "arm64-16k": 2047,
    "arm64-64k": 8191,
    "ppc64-radix": 33,
    "riscv64": 64,
    "s390x": 0,
}
"""The most pages that a gather's flush invalidates one by one; 0 is none."""

LAZY_BATCH = 192
"""PPC64_TLB_BATCH_NR."""


class FreeSizes:
    """Notes how many words each chunk has that is freed."""

    component = "swap"
    sizes: list[int]

    async def free_pages_and_swap_cache(self, cpu: int, words: list[int]) -> None:
        self.sizes.append(len(words))
        await super().free_pages_and_swap_cache(cpu, words)  # type: ignore[misc]


class Invalidated:
    """Notes the end of each range that this CPU invalidates."""

    component = "tlb"
    ends: list[int]

    async def invalidate(self, cpu: int, mm: int, start: int, end: int, walks: bool) -> None:
        self.ends.append(end)
        await super().invalidate(cpu, mm, start, end, walks)  # type: ignore[misc]


async def gathered(profile: str, version: str, entries: list[int]) -> tuple[int, list[int]]:
    """Queue folios parts of so many pages each, until full or done; return how many were queued,
    and the chunks then freed.
    """
    queued = 0
    sizes: list[int] = []
    note = type("FreeSizes", (FreeSizes,), {"sizes": sizes})
    async with driven(profile, REAL, version, World(cpus=1, vpages=256, pages=64), (note,)) as it:
        kernel = it.kernel

        async def body() -> None:
            nonlocal queued
            await start(kernel.task(0), 0)
            folio = await kernel.page_alloc.alloc_folio(2)
            await kernel.machine.add(GRANT, kernel.arena["page_ref"], folio, sum(entries), TRANSIENT)
            await kernel.machine.down_read(LOCK, kernel.arena["mmap_lock"], 0)
            await kernel.mmu_gather.tlb_gather_mmu(0, 0)
            kernel.mmu_gather.tlb_remove_tlb_entries(0, 0, 1)
            for nr in entries:
                queued += 1
                if await kernel.mmu_gather.tlb_remove_folio_pages(0, folio, nr, False):
                    break
            await kernel.mmu_gather.tlb_finish_mmu(0)
            await kernel.machine.up_read(UNLOCK, kernel.arena["mmap_lock"], 0)

        await it.run(0, body)
    return queued, sizes


@pytest.mark.parametrize("profile", GATHERING)
async def test_capacity(profile: str) -> None:
    """How many entries a gather takes: single pages, pairs, and single pages before the series."""
    singles, pairs, before = CAPACITY[CATALOGUE.profile(profile).real.page_size]
    assert singles == (await gathered(profile, "6.9", [1] * 10_000))[0]
    assert pairs == (await gathered(profile, "6.9", [2] * 10_000))[0]
    assert before == (await gathered(profile, "6.9-perpage", [1] * 10_000))[0]


async def test_no_gather_is_never_full() -> None:
    """MMU_GATHER_NO_GATHER: each entry is freed at once."""
    assert (10_000, [2] * 10_000) == await gathered("s390x", "6.9", [1] * 10_000)


@pytest.mark.parametrize("profile", GATHERING)
async def test_free_chunks(profile: str) -> None:
    """A chunk has 512 words, 513 if a pair would be torn; at 4K a batch ends first."""
    large = CATALOGUE.profile(profile).real.page_size > 4096
    assert [7, 512, 88] if large else [7, 509, 91] == (await gathered(profile, "6.9", [1] * 607))[1]
    torn = await gathered(profile, "6.9", [1] * (7 + 511) + [2] + [1] * 20)
    assert [7, 513, 20] if large else [7, 509, 2 + 2 + 20] == torn[1]


async def test_lazy_mmu_batch() -> None:
    """ppc64 hash: clears queue hash entries, a full batch is flushed at once, the rest on leaving
    the mode.
    """
    sizes: list[int] = []

    class LazyFlushes:
        """Notes how many hash entries each flush invalidates."""

        component = "pgtable"
        lazy_nr: Any

        async def flush_lazy_batch(self, cpu: int) -> None:
            sizes.append(self.lazy_nr[cpu])
            await super().flush_lazy_batch(cpu)  # type: ignore[misc]

    nr = 2 * LAZY_BATCH + 16
    async with driven("ppc64-hash", REAL, "6.9", World(cpus=1, vpages=512, pages=nr + 64), (LazyFlushes,)) as it:
        task = it.kernel.task(0)

        async def fill() -> None:
            await start(task, 0)
            await task.mmap(0, nr)
            for addr in range(nr):
                await task.store(addr)

        await it.run(0, fill)
        sizes.clear()
        await it.run(0, lambda: task.dontneed(0, nr))
    table = CATALOGUE.profile("ppc64-hash").real.ptrs_per_pte
    per_table = [min(table, nr - first) for first in range(0, nr, table)]
    expected = [size for pages in per_table for size in (*[LAZY_BATCH] * (pages // LAZY_BATCH), pages % LAZY_BATCH)]
    assert [size for size in expected if size] == [size for size in sizes if size]


async def flushes_everything(profile: str, pages: int) -> bool:
    """Return whether the flush of a gather that has cleared so many pages is one of the whole
    address space.
    """
    ends: list[int] = []
    note = type("Invalidated", (Invalidated,), {"ends": ends})
    async with driven(profile, REAL, "6.9", World(cpus=1, vpages=-(-pages // 256) * 256, pages=64), (note,)) as it:
        kernel = it.kernel

        async def body() -> None:
            await start(kernel.task(0), 0)
            await kernel.machine.down_read(LOCK, kernel.arena["mmap_lock"], 0)
            await kernel.mmu_gather.tlb_gather_mmu(0, 0)
            kernel.mmu_gather.tlb_remove_tlb_entries(0, 0, pages)
            if not kernel.profile.gathers:
                kernel.arena["context_flush_mm"].view[0] = 1
            await kernel.mmu_gather.tlb_finish_mmu(0)
            await kernel.machine.up_read(UNLOCK, kernel.arena["mmap_lock"], 0)

        await it.run(0, body)
    assert 1 == len(ends)
    return ends[0] == ALL


@pytest.mark.parametrize("profile", CEILING)
async def test_flush_ceiling(profile: str) -> None:
    """Up to the ceiling a range is invalidated, above it everything."""
    ceiling = CEILING[profile]
    assert not ceiling or not await flushes_everything(profile, ceiling)
    assert await flushes_everything(profile, ceiling + 1)


def test_every_profile_has_its_ceiling() -> None:
    """ppc64 hash has none: its entries go when lazy MMU mode is left, or at once."""
    assert {*CEILING, "ppc64-hash"} == set(PROFILES)


async def test_the_longest_setup_comes_to_its_end() -> None:
    """Reading in 16,384 pages is no loop without an end: the case can be searched."""
    case = Case("empty_tables", (("kind", 1), ("order", 0)), "arm64-64k", "real")
    async with open_runner(case, "plain") as runner:
        assert runner.failed is None
        assert BUDGET_STEPS_MAX < len(runner.setup_steps) < SETUP_STEPS_MAX
