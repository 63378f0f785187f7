"""The forced TLB flush and the delayed rmap removals come after the PTL is dropped.

zap_pte_range() (mm/memory.c, 6.9) makes both under the PTL: whoever walks the rmap and finds the
entry gone must not be able to go on before the stale translation is gone as well.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "interleaving"


class ForcedFlushAfterUnlock(Memory):
    component = "memory"

    async def finish_zap_ptes(self, zap: Zap) -> None:
        """Unlock, then flush; lazy MMU mode is left under the lock."""
        await self.add_mm_rss_vec(zap.tlb, zap.mm, zap.rss)
        await self.leave_lazy_mmu_mode(zap)
        await self.k.pgtable.pte_unmap_unlock(zap.tlb, zap.table)
        if zap.force_flush:
            await self.k.mmu_gather.tlb_flush_mmu_tlbonly(zap.tlb)
            await self.k.mmu_gather.tlb_flush_rmaps(zap.tlb, zap.vma)
            await self.k.mmu_gather.tlb_flush_mmu(zap.tlb)
