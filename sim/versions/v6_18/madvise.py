"""MADV_DONTNEED (mm/madvise.c, v6.18): one gather for the whole call, under the VMA's lock if the
range is inside one VMA.

The mmap lock, taken for reading, stands for the VMA's: see :mod:`sim.mm.page_fault`. In that case
it is dropped before the gather is finished, so that others may unmap the range, and free its
tables, while TLB entries for it are still to be flushed.
"""

from __future__ import annotations

from sim.core.arena import Cells
from sim.core.machine import site
from sim.mm.madvise import LOCK, UNLOCK, Madvise
from sim.mm.memory import ZapDetails
from sim.mm.mm_types import VM_UFFD_WP

VMA_UNLOCK = site("madvise_walk_vmas", "unlock the VMA")


class Madvise618(Madvise):
    """Empties page tables for good (reclaim_pt)."""

    vma_flags: Cells

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Drop the pages of [start, start + nr); the mappings stay.

        What is not mapped is no concern of the call.
        """
        began, details, ranges = self.m.seq, ZapDetails(even_cows=True, reclaim_pt=True), []
        await self.k.mmu_gather.tlb_gather_mmu(cpu, mm)
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        vmas = self.k.mm_types.vmas_in(mm, start, start + nr)
        inside_one = self.vma_lock_is_enough(vmas, start, start + nr)
        for vma in vmas:
            first, last = self.clipped(vma, start, start + nr)
            await self.k.memory.unmap_single_vma(cpu, vma, first, last, details)
            ranges.append((first, last))
        if inside_one:
            await self.m.up_read(VMA_UNLOCK, self.mmap_lock, mm)
        await self.k.mmu_gather.tlb_finish_mmu(cpu)
        for first, last in ranges:
            self.k.checks.returned(mm, first, last, began)
        if not inside_one:
            await self.m.up_read(UNLOCK, self.mmap_lock, mm)

    def vma_lock_is_enough(self, vmas: list[int], start: int, end: int) -> bool:
        """Return whether [start, end) lies in one VMA without userfaultfd (try_vma_read_lock)."""
        return (
            len(vmas) == 1
            and self.vma_start[vmas[0]] <= start
            and end <= self.vma_end[vmas[0]]
            and not self.vma_flags[vmas[0]] & VM_UFFD_WP
        )
