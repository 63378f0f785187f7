"""MADV_REMOVE punches the hole of a mapping that it looks up after it has dropped the mmap lock.

madvise_remove() (mm/madvise.c, 6.9) reads file and offset first: without the lock the VMA may be
another's.
"""

from __future__ import annotations

from sim.mm.madvise import REMOVE_LOCK, REMOVE_UNLOCK, Madvise

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("hole-punch",)


class RemoveDropsVmaEarly(Madvise):
    component = "madvise"

    async def remove_of(self, cpu: int, mm: int, vma: int, start: int, end: int) -> int:
        """Drop the lock, then read the VMA."""
        await self.m.up_read(REMOVE_UNLOCK, self.mmap_lock, mm)
        file, first = self.k.mm_types.file_of(vma), start - self.vma_start[vma] + self.vma_pgoff[vma]
        await self.k.filesystem.punch_hole(cpu, file, first, first + end - start)
        await self.m.down_read(REMOVE_LOCK, self.mmap_lock, mm)
        return end
