"""An emptied page table is unhooked before the forced TLB flush and the delayed rmap removals.

zap_pte_range() as released in 6.14 to 6.18 (mm/memory.c) does this: the PTL no longer keeps out
those who find no table any more, as folio_mkclean(), and they do not wait for what is owed.
"""

from __future__ import annotations

from sim.mm.memory import Zap
from sim.versions.v6_18.memory import Memory618

KERNEL = "6.18"
PROFILES = ("x86-64",)
KIND = "interleaving"


class UnhooksBeforeFlush(Memory618):
    component = "memory"

    async def leave_table(self, zap: Zap, start: int, emptied: bool) -> bool:
        """Clear the PMD, then fold, flush, unlock."""
        unhooked = emptied and await self.k.pt_reclaim.try_get_and_clear_pmd(zap.mm, start)
        await self.add_mm_rss_vec(zap.tlb, zap.mm, zap.rss)
        await self.leave_and_flush(zap)
        await self.k.pgtable.pte_unmap_unlock(zap.tlb, zap.table)
        if zap.force_flush:
            await self.k.mmu_gather.tlb_flush_mmu(zap.tlb)
        return unhooked
