"""A fault that allocates a page table too late does not free it.

__pte_alloc() (mm/memory.c, 6.9) allocates before it takes the lock. If another fault was faster,
the table that nobody needs is freed.
"""

from __future__ import annotations

from sim.core.component import ref_to
from sim.mm.pgtable import ALLOC_COUNT, ALLOC_LOCK, ALLOC_SET, ALLOC_UNLOCK, TAKE_SLOT, Pgtable

KERNEL = "6.9"
KIND = "interleaving"


class TableOfLoserLeaks(Pgtable):
    component = "pgtable"

    async def pte_alloc(self, cpu: int, mm: int, addr: int) -> None:
        """Whoever comes second has nothing left to do."""
        index = self.pmd_index(mm, addr)
        page = await self.k.page_alloc.alloc_zeroed_folio(0)
        table = await self.slab.take(TAKE_SLOT)
        self._claim(table, mm, addr, page)
        await self.m.lock(ALLOC_LOCK, self.mm_pml, mm)
        if await self.pmd_none(index):
            await self.m.add(ALLOC_COUNT, self.mm_pgtables, mm, 1)
            await self.m.store(ALLOC_SET, self.pmd, index, ref_to(table))
        await self.m.unlock(ALLOC_UNLOCK, self.mm_pml, mm)
