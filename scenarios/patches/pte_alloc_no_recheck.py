"""A fault installs its page table without looking again whether another one has done so.

__pte_alloc() by way of pmd_install() (mm/memory.c, 6.9) reads the PMD again under its lock, and
frees the new table if it is no longer none.
"""

from __future__ import annotations

from sim.core.component import ref_to
from sim.mm.pgtable import ALLOC_COUNT, ALLOC_LOCK, ALLOC_SET, ALLOC_UNLOCK, TAKE_SLOT, Pgtable

KERNEL = "6.9"
KIND = "interleaving"


class PteAllocNoRecheck(Pgtable):
    component = "pgtable"

    async def pte_alloc(self, cpu: int, mm: int, addr: int) -> None:
        """The caller has found no table, and that is believed."""
        page = await self.k.page_alloc.alloc_zeroed_folio(0)
        table = await self.slab.take(TAKE_SLOT)
        self._claim(table, mm, addr, page)
        await self.m.lock(ALLOC_LOCK, self.mm_pml, mm)
        await self.m.add(ALLOC_COUNT, self.mm_pgtables, mm, 1)
        await self.m.store(ALLOC_SET, self.pmd, self.pmd_index(mm, addr), ref_to(table))
        await self.m.unlock(ALLOC_UNLOCK, self.mm_pml, mm)
