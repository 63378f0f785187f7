"""A fork that has failed frees the child's VMAs while rmap walks still find them.

unmap_region() (mm/vma.c, 7.3) ends with free_pgtables(), which unlinks the VMAs from their
anon_vmas and files first; here tables and VMAs go as if nobody had been told of them yet.
"""

from __future__ import annotations

from sim.mm.fork import Fork
from sim.versions.v7_3.fork import Fork73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("failed-fork",)


class FailedForkUnlinksNothing(Fork73):
    component = "fork"

    async def fail_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """Zap, free the tables, free the VMAs."""
        vmas = self.k.mm_types.vmas_in(dst, 0, self.w.vpages)
        top = self.k.pgtable.per_mm * self.g.ptrs_per_pte
        await self.k.mmu_gather.tlb_gather_mmu(cpu, dst)
        await self.k.memory.unmap_vmas(cpu, vmas, 0, self.w.vpages)
        await self.k.pgtable.free_pgd_range(cpu, dst, 0, self.w.vpages, 0, top)
        await self.k.mmu_gather.tlb_finish_mmu(cpu)
        for vma in vmas:
            await self.k.mmap_lock.vma_mark_detached(vma)
            await self.k.mmap.vm_area_free(vma)
        await Fork.fail_dup_mmap(self, cpu, src, dst)
