"""The upper part of a VMA that is split keeps the page offset of the whole.

__split_vma() (mm/mmap.c, 6.9) advances vm_pgoff by the length of the lower part; through it faults
find the page of the file, and rmap walks the address.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.9"
KIND = "sequence"


class SplitKeepsPgoff(Mmap):
    component = "mmap"

    async def split_vma(self, vma: int, addr: int) -> int:
        """Only vm_start moves."""
        new = await self.vm_area_dup(vma, self.k.mm_types.mm_of(vma))
        self.vma_start[new] = addr
        await self.k.rmap.anon_vma_clone(new)
        await self.k.mmap_lock.vma_start_write(vma)
        await self.k.mmap_lock.vma_start_write(new)
        await self.split_adjusted(vma, new, addr)
        return new
