"""MADV_DONTNEED (mm/madvise.c, v6.18): one gather for the whole call, under the VMA's lock if the
range is inside one VMA.

The VMA's lock is dropped before the gather is finished, so that others may unmap the range, and
free its tables, while TLB entries for it are still to be flushed.
"""

from __future__ import annotations

from sim.core.arena import Cells
from sim.mm.madvise import LOCK, UNLOCK, Madvise
from sim.mm.memory import ZapDetails
from sim.mm.mm_types import VM_UFFD_WP


class Madvise618(Madvise):
    """Empties page tables for good (reclaim_pt)."""

    vma_flags: Cells

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Drop the pages of [start, start + nr); the mappings stay.

        What is not mapped is no concern of the call.
        """
        began, details, ranges = self.m.seq, ZapDetails(even_cows=True, reclaim_pt=True), []
        await self.k.mmu_gather.tlb_gather_mmu(cpu, mm)
        vma = await self.try_vma_read_lock(cpu, mm, start, start + nr)
        if vma >= 0:
            await self.k.memory.unmap_single_vma(cpu, vma, start, start + nr, details)
            await self.k.mmap_lock.release_vma(cpu)
            await self.k.mmu_gather.tlb_finish_mmu(cpu)
            self.k.checks.returned(mm, start, start + nr, began)
            return
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        for vma in self.k.mm_types.vmas_in(mm, start, start + nr):
            first, last = self.clipped(vma, start, start + nr)
            await self.k.memory.unmap_single_vma(cpu, vma, first, last, details)
            ranges.append((first, last))
        await self.k.mmu_gather.tlb_finish_mmu(cpu)
        for first, last in ranges:
            self.k.checks.returned(mm, first, last, began)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)

    async def try_vma_read_lock(self, cpu: int, mm: int, start: int, end: int) -> int:
        """Lock the VMA that [start, end) lies in for reading; return it, or -1 if there is none, or
        only the mmap lock will do.
        """
        vma = await self.k.mmap_lock.lock_vma_under_rcu(cpu, mm, start)
        if vma >= 0 and not self.is_vma_lock_sufficient(vma, end):
            await self.k.mmap_lock.release_vma(cpu)
            return -1
        return vma

    def is_vma_lock_sufficient(self, vma: int, end: int) -> bool:
        """Return whether a range that begins in ``vma`` ends there too, at ``end``, and userfaultfd
        does not watch.
        """
        return end <= self.vma_end[vma] and not self.vma_flags[vma] & VM_UFFD_WP
