"""munmap() takes a VMA out of the tree without having write-locked it.

vms_gather_munmap_vmas() (mm/vma.c, 6.12) calls vma_start_write(), which waits for the faults that
are at work in the VMA: whoever has it locked for reading goes on, and maps pages behind the zap.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class MunmapLeavesVmasOpen(Mmap):
    component = "mmap"

    async def write_lock_old(self, vma: int) -> None:
        """Nobody will find it any more."""
