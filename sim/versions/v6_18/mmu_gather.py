"""mmu_gather (mm/mmu_gather.c, v6.18): with PT_RECLAIM, a table that finds no batch waits for a
grace period of its own.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather


class MmuGather618(MmuGather):
    """As in 6.9 otherwise; ``tlb_free_vmas`` has work only for VM_PFNMAP, which is not modelled."""

    async def tlb_remove_table_one(self, tlb: int, table: int) -> None:
        """Free one table by an RCU callback where tables are reclaimed: software walks there are
        RCU readers with interrupts on.
        """
        if self.profile.reclaims_pt:
            await self.k.rcu.call_rcu([table])
        else:
            await super().tlb_remove_table_one(tlb, table)
