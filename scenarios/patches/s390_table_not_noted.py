"""A page table is given to the gather without a note that the mm must be flushed.

pte_free_tlb() (arch/s390/include/asm/tlb.h, 6.9) sets mm->context.flush_mm: the flush of a gather
does nothing otherwise, as every PTE change has invalidated its own entry, but no walk cache.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("s390x",)
KIND = "interleaving"


class S390TableNotNoted(MmuGather):
    component = "mmu_gather"

    async def pte_free_tlb(self, tlb: int, table: int, addr: int) -> None:
        """What the generic code does."""
        self.tlb_adjust_range(tlb, addr, 1)
        self.gather_cleared_pmds[tlb] = self.gather_freed_tables[tlb] = 1
        await self.tlb_remove_table(tlb, table)
