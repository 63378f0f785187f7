"""A page table that MADV_DONTNEED has reclaimed is queued, and its flush is not asked for.

pte_free_tlb() (include/asm-generic/tlb.h) records the range of the table and freed_tables before
it calls tlb_remove_table(): the zap's own entries were leaf entries.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x")
KIND = "interleaving"
GUARDS = ("reclaim-elsewhere",)


class ReclaimedTableNotRecorded(PtReclaim):
    component = "pt_reclaim"

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """tlb_remove_table() in place of pte_free_tlb()."""
        await self.k.mmu_gather.tlb_remove_table(tlb, table)
        await self.m.add(self.COUNT_DOWN, self.mm_pgtables, mm, -1)
