"""Page tables are handed to RCU before the TLB and the walk caches are flushed.

tlb_table_flush() (mm/mmu_gather.c, 6.9) invalidates first where hardware walks the tables: a grace
period says nothing about a walker that runs in user mode.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix")
KIND = "interleaving"


class TablesToRcuBeforeFlush(MmuGather):
    component = "mmu_gather"

    async def tlb_table_flush(self, tlb: int) -> None:
        """The invalidation comes after call_rcu()."""
        nr = self.gather_tables_nr[tlb]
        if not nr:
            return
        first = tlb * self.g.table_batch
        tables = self.gather_tables[first : first + nr].tolist()
        self.gather_tables_nr[tlb] = 0
        await self.k.rcu.call_rcu(tables)
        await self.tlb_table_invalidate(tlb)
