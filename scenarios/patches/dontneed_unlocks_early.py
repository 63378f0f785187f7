"""MADV_DONTNEED drops the mmap lock once it has found the VMA.

do_madvise() (mm/madvise.c, 6.9) holds it, for reading, until the zap is done: it keeps munmap()
from freeing the VMA and its page tables.
"""

from __future__ import annotations

from sim.mm.madvise import LOCK, UNLOCK, Madvise

KERNEL = "6.9"
KIND = "interleaving"


class DontneedUnlocksEarly(Madvise):
    component = "madvise"

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """The PTL is thought to be lock enough for the zap."""
        began = self.m.seq
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        vmas = self.k.mm_types.vmas_in(mm, start, start + nr)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
        for vma in vmas:
            first, last = max(start, self.vma_start[vma]), min(start + nr, self.vma_end[vma])
            await self.k.memory.zap_page_range_single(cpu, vma, first, last, None)
            self.k.checks.returned(mm, first, last, began)
