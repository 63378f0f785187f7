"""The PMD is not read again once the page table's lock has been taken.

__pte_offset_map_lock() (mm/pgtable-generic.c, 6.18) compares it with what it was before, and starts
again: PT_RECLAIM may have unhooked the table while we waited for its lock.
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.mm.pgtable import LOCK_PTL, MAP_PMD, Pgtable

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("tables-unhooked",)


class MapLockNoRecheck(Pgtable):
    component = "pgtable"

    async def pte_offset_map_lock(self, cpu: int, mm: int, addr: int) -> int:
        """RCU keeps the table allocated, and that is taken to be enough."""
        self.k.tlb.rcu_read_lock(cpu)
        table = index_of_ref(await self.m.load(MAP_PMD, self.pmd, self.pmd_index(mm, addr)))
        if table < 0:
            self.k.tlb.rcu_read_unlock(cpu)
            return -1
        await self.m.lock(LOCK_PTL, self.ptl, table)
        return table
