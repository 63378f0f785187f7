"""A page table that has been reclaimed is still counted in the mm.

free_pte() (mm/pt_reclaim.c, 6.18) lowers mm->pgtables_bytes (mm_dec_nr_ptes) after pte_free_tlb().
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "sequence"
GUARDS = ("tables-unhooked",)


class ReclaimedTableCounted(PtReclaim):
    component = "pt_reclaim"

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """The gather is thought to do the rest."""
        await self.k.mmu_gather.pte_free_tlb(tlb, table, addr)
