"""The forced TLB flush and the delayed rmap removals come after the PTL is dropped.

zap_pte_range() (mm/memory.c, 6.9) makes both under the PTL: whoever walks the rmap and finds the
entry gone must not be able to go on before the stale translation is gone as well.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap, ZapDetails
from sim.mm.mm_types import NR_MM_COUNTERS

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "interleaving"


class ForcedFlushAfterUnlock(Memory):
    component = "memory"

    async def zap_pte_range(self, tlb: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> int:
        """Unlock, then flush; lazy MMU mode is left under the lock."""
        mm, gather, pgtable = self.k.mm_types.mm_of(vma), self.k.mmu_gather, self.k.pgtable
        table = await pgtable.pte_offset_map_lock(tlb, mm, addr)
        if table < 0:
            return addr
        zap = Zap(tlb, mm, vma, end, table, details, [0] * NR_MM_COUNTERS)
        await self.flush_tlb_batched_pending(tlb, mm)
        await pgtable.arch_enter_lazy_mmu_mode(tlb)
        addr = await self.zap_ptes(zap, addr)
        await self.add_mm_rss_vec(tlb, mm, zap.rss)
        await pgtable.arch_leave_lazy_mmu_mode(tlb)
        await pgtable.pte_unmap_unlock(tlb, table)
        if zap.force_flush:
            await gather.tlb_flush_mmu_tlbonly(tlb)
            await gather.tlb_flush_rmaps(tlb, vma)
            await gather.tlb_flush_mmu(tlb)
        return addr
