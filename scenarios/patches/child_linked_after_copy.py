"""fork links a VMA of the child to the reverse map when its entries are there.

dup_mmap() (mm/mmap.c, 6.18) links it before copy_page_range(): whoever unmaps a file's page, or
looks for its entries, meanwhile finds the parent's alone.
"""

from __future__ import annotations

from sim.mm.fork import Fork

KERNEL = "6.18-flushfirst"
KIND = "interleaving"


class ChildLinkedAfterCopy(Fork):
    component = "fork"

    async def dup_vma(self, cpu: int, vma: int, src: int, dst: int) -> None:
        """Nobody is to find a VMA that is half empty."""
        await self.write_lock(vma)
        child = await self.k.mmap.vm_area_dup(vma, dst)
        await self.k.mmap_lock.vma_mark_attached(child)
        self.vma_attached[child] = 1
        if self.vma_needs_copy(vma):
            await self.copy_page_range(cpu, vma, src, dst)
            self.k.checks.forked(vma, src, dst)
        await self.k.rmap.vma_link(child)
