"""mmu_gather (mm/mmu_gather.c, v7.3): a table that finds no batch is freed after a grace period
everywhere.
"""

from __future__ import annotations

from sim.versions.v6_18.mmu_gather import MmuGather618


class MmuGather73(MmuGather618):
    """As in 6.18 otherwise."""

    async def tlb_remove_table_one(self, tlb: int, table: int) -> None:
        """Free one table by an RCU callback where tables are reclaimed; elsewhere sleep until a
        grace period has passed, and free it then (synchronize_rcu, in __tlb_remove_table_one).
        """
        if self.profile.reclaims_pt:
            await self.k.rcu.call_rcu([table])
            return
        self.k.checks.rcu_queued(table)
        await self.k.rcu.synchronize_rcu()
        await self.k.pgtable.pte_free(table)
