"""Freeing page tables that MADV_DONTNEED has emptied (mm/pt_reclaim.c, v6.18; CONFIG_PT_RECLAIM,
x86-64).

The PMD is cleared before the TLB is flushed, also before a flush that the zap owes under the PTL
(docs/findings.md); the table stays allocated until after the flush and a grace period, and a fault
may install a new one at once. So code that looks at a table without its PTL is an RCU reader, and
code that takes a PTL reads the PMD again, or an entry that it has seen present.

Lock order: mmap_lock, PTL, then the PML by trylock; or PML, then PTL.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.core.component import Component, index_of_ref
from sim.core.machine import site
from sim.mm.memory import ZapDetails


class PtReclaim(Component):
    """Frees a table that zap_pte_range has emptied. Its steps have names of their own in 7.3."""

    name = "pt_reclaim"

    TRYLOCK = site("try_get_and_clear_pmd", "trylock pml")
    FAST_READ = site("try_get_and_clear_pmd", "read pmd")
    FAST_CLEAR = site("try_get_and_clear_pmd", "clear pmd")
    FAST_UNLOCK = site("try_get_and_clear_pmd", "unlock pml")
    LOCK_PML = site("try_to_free_pte", "lock pml")
    READ_PMD = site("try_to_free_pte", "read pmd")
    LOCK_PTL = site("try_to_free_pte", "lock ptl")
    CHECK = site("try_to_free_pte", "check pte empty")
    CLEAR_PMD = site("try_to_free_pte", "clear pmd")
    UNLOCK_PTL = site("try_to_free_pte", "unlock ptl")
    UNLOCK_PML = site("try_to_free_pte", "unlock pml")
    COUNT_DOWN = site("free_pte", "uncount table")

    pmd: Column
    pte: Column
    ptl: Column
    mm_pml: Column
    mm_pgtables: Column

    def reclaim_pt_is_enabled(self, start: int, end: int, details: ZapDetails | None) -> bool:
        """Return whether the table may go if it ends up empty: the zap asks for it, and covers all
        of it.
        """
        return (
            self.profile.reclaims_pt
            and details is not None
            and details.reclaim_pt
            and end - start >= self.g.ptrs_per_pte
        )

    async def try_get_and_clear_pmd(self, mm: int, addr: int) -> bool:
        """Unhook the table of ``addr``, whose PTL the caller has held since it emptied it, if the
        PML is free.
        """
        if not await self.m.trylock(self.TRYLOCK, self.mm_pml, mm):
            return False
        index = self.k.pgtable.pmd_index(mm, addr)
        await self.m.load(self.FAST_READ, self.pmd, index)
        await self.m.store(self.FAST_CLEAR, self.pmd, index, 0)
        await self.m.unlock(self.FAST_UNLOCK, self.mm_pml, mm)
        return True

    async def try_to_free_pte(self, tlb: int, mm: int, addr: int) -> None:
        """Unhook and free the table of ``addr`` if it is empty, which is looked at anew, under both
        locks.
        """
        index = self.k.pgtable.pmd_index(mm, addr)
        await self.m.lock(self.LOCK_PML, self.mm_pml, mm)
        self.k.tlb.rcu_read_lock(tlb)
        table = index_of_ref(await self.m.load(self.READ_PMD, self.pmd, index))
        empty = table >= 0 and await self._clear_if_empty(table, index)
        self.k.tlb.rcu_read_unlock(tlb)
        await self.m.unlock(self.UNLOCK_PML, self.mm_pml, mm)
        if empty:
            await self.free_pte(tlb, mm, addr, table)

    async def _clear_if_empty(self, table: int, index: int) -> bool:
        await self.m.lock(self.LOCK_PTL, self.ptl, table)
        empty = await self.is_empty(table)
        if empty:
            await self.m.store(self.CLEAR_PMD, self.pmd, index, 0)
        await self.m.unlock(self.UNLOCK_PTL, self.ptl, table)
        return empty

    async def is_empty(self, table: int) -> bool:
        """Return whether every entry of ``table``, whose PTL the caller holds, is none."""
        first = self.k.pgtable.ptep(table, 0)
        for ptep in range(first, first + self.g.ptrs_per_pte):
            if await self.m.load(self.CHECK, self.pte, ptep):
                return False
        return True

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """Hand an unhooked table to the gather."""
        await self.k.mmu_gather.pte_free_tlb(tlb, table, addr)
        await self.m.add(self.COUNT_DOWN, self.mm_pgtables, mm, -1)
