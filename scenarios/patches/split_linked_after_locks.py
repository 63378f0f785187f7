"""The upper part of a VMA that is cut is put into the file's reverse map after the locks are gone.

__split_vma() (mm/vma.c, 7.3) links the new VMA between vma_prepare() and vma_complete(), which hold
i_mmap_lock: a walk finds every page in one of the two.
"""

from __future__ import annotations

from sim.versions.v6_12.mmap import Mmap612

KERNEL = "7.3-flushfirst"
KIND = "interleaving"


class SplitLinkedAfterLocks(Mmap612):
    component = "mmap"

    async def split_adjusted(self, vma: int, new: int, addr: int) -> None:
        """Complete one VMA, then the other."""
        mm = self.k.mm_types.mm_of(vma)
        await self.k.rmap.vma_prepare(vma)
        await self.k.mmap_lock.vma_mark_attached(new)
        await self.k.mmap_lock.mas_wr_begin(mm)
        self.vma_end[vma] = addr
        await self.k.rmap.vma_complete(vma)
        self.vma_attached[new] = 1
        await self.k.mmap_lock.mas_wr_end(mm)
        self.k.rmap.link_file(new)
