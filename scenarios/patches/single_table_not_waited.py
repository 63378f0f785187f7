"""A page table for which there is no table batch is freed without a grace period.

__tlb_remove_table_one() (mm/mmu_gather.c, 7.3) sleeps in synchronize_rcu() where tables are not
reclaimed. A hash fault looks at a table with interrupts off and no lock: it is an RCU reader.
"""

from __future__ import annotations

from sim.mm.rcu import Rcu

KERNEL = "7.3-flushfirst"
PROFILES = ("ppc64-radix", "ppc64-hash")
KIND = "interleaving"
GUARDS = ("single-tables",)


class SingleTableNotWaited(Rcu):
    component = "rcu"

    async def synchronize_rcu(self) -> None:
        """The TLBs have been flushed; that must do."""
