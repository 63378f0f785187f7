"""MADV_DONTNEED drops everything up to the end of the VMA.

madvise_vma_behavior() gets a range that do_madvise() (mm/madvise.c, 6.9) has clipped at both ends:
at the VMA's and at that of the call.
"""

from __future__ import annotations

from sim.mm.madvise import LOCK, UNLOCK, Madvise

KERNEL = "6.9"
KIND = "sequence"


class DontneedToVmaEnd(Madvise):
    component = "madvise"

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """The end of the call is used to find the VMAs, and then forgotten."""
        began = self.m.seq
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        for vma in self.k.mm_types.vmas_in(mm, start, start + nr):
            first, last = max(start, self.vma_start[vma]), self.vma_end[vma]
            await self.k.memory.zap_page_range_single(cpu, vma, first, last, None)
            self.k.checks.returned(mm, first, last, began)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
