"""Of a large anonymous folio the first page alone is zeroed.

vma_alloc_zeroed_movable_folio() was written for one page; alloc_anon_folio() (mm/memory.c, 6.9)
calls clear_huge_page() for the whole folio. Otherwise a process reads what another one has left.
"""

from __future__ import annotations

from sim.core.errors import WorldError
from sim.mm.page_alloc import CLEAR_PAGE, PageAlloc

KERNEL = "6.9"
KIND = "sequence"


class ZeroesHeadOnly(PageAlloc):
    component = "page_alloc"

    async def alloc_zeroed_folio(self, order: int) -> int:
        """clear_highpage() of the folio's page."""
        folio = await self.alloc_folio(order)
        if folio < 0 and order == 0:
            raise WorldError("no page is left")
        if folio >= 0:
            await self.m.store(CLEAR_PAGE, self.page_content, folio, 0)
        return folio
