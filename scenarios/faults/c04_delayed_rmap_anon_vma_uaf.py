"""C04: munmap frees anon_vmas while pages that name them still count as mapped, as a draft of the
delayed rmap removals did (November 2022).
"""

from __future__ import annotations

from sim.mm.mmap import Mmap
from stress.fault import Fault


class DelayedRmapAnonVmaUaf(Fault, Mmap):
    id = "C04"
    component = "mmap"
    scenario = "age_vs_exit"

    async def unmap_region(
        self, tlb: int, mm: int, vmas: list[int], start: int, end: int, floor: int, ceiling: int
    ) -> None:
        """The VMAs are unlinked before the mapcounts go, not after."""
        await self.k.swap.drain_before_zap(tlb)
        await self.k.mmu_gather.tlb_gather_mmu(tlb, mm)
        for vma in vmas:
            await self.k.rmap.vma_unlink(vma)
        await self.k.memory.unmap_vmas(tlb, vmas, start, end)
        first, last = self.vma_start[vmas[0]], self.vma_end[vmas[-1]]
        await self.k.pgtable.free_pgd_range(tlb, mm, first, last, floor, ceiling)
        await self.k.mmu_gather.tlb_finish_mmu(tlb)
