"""A page table for which there is no batch is freed after an IPI, with no grace period.

__tlb_remove_table_one() (mm/mmu_gather.c, 6.18) goes through call_rcu() where PT_RECLAIM is on:
page_vma_mapped_walk() and the fault path look at tables as RCU readers with interrupts on, and an
IPI does not wait for these. Before 6.14 nobody took a table from under them.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("single-tables",)


class SingleTableByIpi(MmuGather):
    component = "mmu_gather"

    async def tlb_remove_table_one(self, tlb: int, table: int) -> None:
        """As before 6.14."""
        await self.k.tlbflush.interrupt_all(tlb)
        await self.k.pgtable.pte_free(table)
