"""mmap_write_unlock() drops the mmap lock first and opens the VMAs afterwards.

vma_end_write_all() raises the number that says which VMAs are write-locked. A next writer may have
locked its VMAs under that number already: they are open in the middle of its hold.
"""

from __future__ import annotations

from sim.mm.mmap_lock import MmapLock

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class MmapUnlockOpensLate(MmapLock):
    component = "mmap_lock"

    async def mmap_write_unlock(self, where: int, mm: int) -> None:
        """up_write(), and then vma_end_write_all()."""
        await self.m.up_write(where, self.mmap_lock, mm)
        await self.vma_end_write_all(mm)
