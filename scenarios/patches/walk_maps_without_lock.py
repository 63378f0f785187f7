"""A synchronous walk takes the page table's lock only where an entry is there.

map_pte() (mm/page_vma_mapped.c, 6.9) with PVMW_SYNC takes it before it looks: the entry may just
have been cleared, by a zapper that holds the lock until it has flushed.
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import LOOK, READ_PMD, PageVmaMapped

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "interleaving"


class WalkMapsWithoutLock(PageVmaMapped):
    component = "page_vma_mapped"

    async def map_table(self, cpu: int, mm: int, addr: int, sync: bool) -> int:
        """An empty first entry has nothing to wait for."""
        table = await self.k.pgtable.pte_offset_map(cpu, mm, addr, READ_PMD)
        if table < 0 or not sync:
            return table
        entry = await self.m.load(LOOK, self.pte, self.k.pgtable.ptep(table, addr))
        self.k.tlb.rcu_read_unlock(cpu)
        return await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr) if entry else -1
