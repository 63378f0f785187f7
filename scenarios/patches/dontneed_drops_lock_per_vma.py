"""MADV_DONTNEED lets writers in before each VMA, and does not look the VMA up again.

madvise_walk_vmas() (mm/madvise.c, 6.9) keeps the mmap lock: a VMA that was found without it may
have been unmapped and freed.
"""

from __future__ import annotations

from sim.mm.madvise import LOCK, UNLOCK, Madvise

KERNEL = "6.9"
KIND = "interleaving"


class DontneedDropsLockPerVma(Madvise):
    component = "madvise"

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Munmaps of other threads should not have to wait for a long range."""
        began = self.m.seq
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        for vma in self.k.mm_types.vmas_in(mm, start, start + nr):
            first, last = self.clipped(vma, start, start + nr)
            await self.m.up_read(UNLOCK, self.mmap_lock, mm)
            await self.m.down_read(LOCK, self.mmap_lock, mm)
            await self.k.memory.zap_page_range_single(cpu, vma, first, last, None)
            self.k.checks.returned(mm, first, last, began)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
