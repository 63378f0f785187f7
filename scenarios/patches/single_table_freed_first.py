"""A page table for which there is no table batch is freed, and then its grace period is waited for.

__tlb_remove_table_one() (mm/mmu_gather.c, 7.3) calls synchronize_rcu() before __tlb_remove_table():
whoever has looked at the table's entry in an RCU reader's section is still in the table until then.
"""

from __future__ import annotations

from sim.versions.v7_3.mmu_gather import MmuGather73

KERNEL = "7.3-flushfirst"
PROFILES = ("ppc64-radix", "ppc64-hash")
KIND = "interleaving"
GUARDS = ("single-tables",)


class SingleTableFreedFirst(MmuGather73):
    component = "mmu_gather"

    async def tlb_remove_table_one(self, tlb: int, table: int) -> None:
        """Two lines have changed places."""
        self.k.checks.rcu_queued(table)
        await self.k.pgtable.pte_free(table)
        await self.k.rcu.synchronize_rcu()
