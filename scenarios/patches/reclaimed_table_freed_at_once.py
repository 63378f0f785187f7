"""A page table that MADV_DONTNEED has emptied and unhooked is freed at once.

free_pte() (mm/memory.c, 7.3: zap_pte_table_if_empty()) gives it to the gather: CPUs may have it in
their walk caches, and RCU readers may be at it.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x")
KIND = "interleaving"
GUARDS = ("reclaim-elsewhere",)


class ReclaimedTableFreedAtOnce(PtReclaim):
    component = "pt_reclaim"

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """It is empty, and nobody finds it any more."""
        await self.k.pgtable.pte_free(table)
        await self.m.add(self.COUNT_DOWN, self.mm_pgtables, mm, -1)
