"""A page table is given to the gather before it is unhooked from the PMD.

free_pte_range() (mm/memory.c, 6.9) clears the PMD first: queueing may flush at once, if a batch is
full or cannot be allocated, and after that flush nobody may find the table any more.
"""

from __future__ import annotations

from sim.mm.pgtable import COUNT_DOWN, PMD_CLEAR, Pgtable

KERNEL = "6.9"
KIND = "interleaving"


class PmdClearedAfterQueueing(Pgtable):
    component = "pgtable"

    async def free_pte_range(self, tlb: int, mm: int, table: int, base: int) -> None:
        """Two steps are turned round."""
        await self.k.mmu_gather.pte_free_tlb(tlb, table, base)
        await self.m.store(PMD_CLEAR, self.pmd, self.pmd_index(mm, base), 0)
        await self.m.add(COUNT_DOWN, self.mm_pgtables, mm, -1)
