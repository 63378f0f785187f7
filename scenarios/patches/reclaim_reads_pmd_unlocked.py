"""The slow path of reclaiming a page table reads the PMD before it has its lock.

zap_pte_table_if_empty() (mm/memory.c, 7.3) takes the PML first: another MADV_DONTNEED may reclaim
the table meanwhile, and a fault may install a new one.
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x")
KIND = "interleaving"
GUARDS = ("reclaim-elsewhere",)


class ReclaimReadsPmdUnlocked(PtReclaim):
    component = "pt_reclaim"

    async def try_to_free_pte(self, tlb: int, mm: int, addr: int) -> None:
        """pmdp_get_lockless(), and then the lock."""
        index = self.k.pgtable.pmd_index(mm, addr)
        self.k.tlb.rcu_read_lock(tlb)
        table = index_of_ref(await self.m.load(self.READ_PMD, self.pmd, index))
        await self.m.lock(self.LOCK_PML, self.mm_pml, mm)
        empty = table >= 0 and await self._clear_if_empty(table, index)
        self.k.tlb.rcu_read_unlock(tlb)
        await self.m.unlock(self.UNLOCK_PML, self.mm_pml, mm)
        if empty:
            await self.free_pte(tlb, mm, addr, table)
