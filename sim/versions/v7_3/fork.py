"""fork (mm/mmap.c, v7.3): a child that could not be finished is taken down before its lock is
dropped.
"""

from __future__ import annotations

from sim.mm.fork import Fork


class Fork73(Fork):
    """As before otherwise."""

    async def fail_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """Unmap and free the child's VMAs under both mmap locks, by a gather that is not one of the
        whole mm; exit_mmap finds nothing left.
        """
        mmap, top = self.k.mmap, self.k.pgtable.per_mm * self.g.ptrs_per_pte
        vmas = self.k.mm_types.vmas_in(dst, 0, self.w.vpages)
        await mmap.unmap_region(cpu, dst, vmas, 0, self.w.vpages, 0, top)
        for vma in vmas:
            await self.k.mmap_lock.vma_mark_detached(vma)
            await mmap.vm_area_free(vma)
        await super().fail_dup_mmap(cpu, src, dst)
