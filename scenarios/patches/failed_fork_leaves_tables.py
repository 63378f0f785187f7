"""A fork that has failed frees the child's VMAs and forgets their page tables.

dup_mmap() (mm/mmap.c, 7.3) calls unmap_region() before it tears the VMAs down: exit_mmap() will
find no VMA, and so no table.
"""

from __future__ import annotations

from sim.mm.fork import Fork
from sim.versions.v7_3.fork import Fork73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("failed-fork",)


class FailedForkLeavesTables(Fork73):
    component = "fork"

    async def fail_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """Only the VMAs go: they can be found no more, so nobody can use the tables."""
        for vma in self.k.mm_types.vmas_in(dst, 0, self.w.vpages):
            await self.k.rmap.vma_unlink(vma)
            await self.k.mmap_lock.vma_mark_detached(vma)
            await self.k.mmap.vm_area_free(vma)
        await Fork.fail_dup_mmap(self, cpu, src, dst)
