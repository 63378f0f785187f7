"""The page allocator (mm/page_alloc.c, v6.9): a small buddy allocator with last-in first-out reuse.

A freed block goes to the list of its order unmerged, and the next allocation of that order takes
it: reuse is immediate, which is the policy that exposes use after free. Only when an order has
nothing left are all lists merged back into buddies. Each page's generation rises when it is freed.

Left out: per-CPU lists apart from the zone's (one zone lock guards all), watermarks, migrate types,
reclaim.
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.errors import WorldError
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.mm.mm_types import ZERO_PFN

LOCK = site("rmqueue", "lock zone")
UNLOCK = site("rmqueue", "unlock zone")
SET_REFCOUNT = site("post_alloc_hook", "set refcount to 1")
CLEAR_PAGE = site("clear_highpage", "zero the page")
FREE_LOCK = site("free_unref_folios", "lock zone")
FREE_UNLOCK = site("free_unref_folios", "unlock zone")


class PageAlloc(Component):
    """Free lists by order, guarded by the zone lock."""

    name = "page_alloc"

    zone_lock: Column
    free_head: Cells
    free_next: Cells
    free_order: Cells
    page_ref: Column
    page_head: Cells
    page_order: Cells
    page_mapping: Cells
    page_index: Cells
    page_gen: Cells
    page_content: Column
    page_anon_exclusive: Column
    page_dirty: Column
    page_referenced: Column
    page_active: Column
    page_swapbacked: Cells

    def fields(self) -> list[Field]:
        orders = self.w.pages.bit_length() + 1
        return [
            Field("zone_lock", 1, lock=SPIN, bits=bits_for(self.k.slots)),
            Field("free_head", orders, PRIVATE, bits=bits_for(self.w.pages)),
            Field("free_next", self.w.pages, PRIVATE, bits=bits_for(self.w.pages)),
            Field("free_order", self.w.pages, PRIVATE, bits=bits_for(orders)),
        ]

    def boot(self) -> None:
        """Free every page but the zero page, so that low pages are handed out first."""
        self.page_ref.view[ZERO_PFN] = 1
        for pfn in range(self.w.pages):
            self.page_head[pfn] = pfn
        self._seed(1, self.w.pages)

    def _seed(self, start: int, end: int) -> None:
        blocks = []
        while start < end:
            order = (start & -start).bit_length() - 1
            while start + (1 << order) > end:
                order -= 1
            blocks.append((start, order))
            start += 1 << order
        for pfn, order in reversed(blocks):
            self._push(pfn, order)

    def _push(self, pfn: int, order: int) -> None:
        self.free_next[pfn] = self.free_head[order]
        self.free_head[order] = ref_to(pfn)
        self.free_order[pfn] = order + 1

    def _pop(self, order: int) -> int:
        pfn = index_of_ref(self.free_head[order])
        self.free_head[order] = self.free_next[pfn]
        self.free_next[pfn] = self.free_order[pfn] = 0
        return pfn

    def _take(self, order: int) -> int:
        """Return a block of ``order`` from the lists, splitting a larger one; or -1."""
        for have in range(order, len(self.free_head)):
            if self.free_head[have]:
                pfn = self._pop(have)
                for half in range(have - 1, order - 1, -1):
                    self._push(pfn + (1 << half), half)
                return pfn
        return -1

    def _merge(self) -> None:
        """Merge every free block with its buddy as far as it goes."""
        free = [self.free_order[pfn] - 1 for pfn in range(self.w.pages)]
        for order in range(len(self.free_head)):
            self.free_head[order] = 0
        for order in range(len(self.free_head) - 1):
            for pfn in range(self.w.pages):
                buddy = pfn ^ (1 << order)
                if buddy < self.w.pages and free[pfn] == order and free[buddy] == order:
                    free[pfn] = free[buddy] = -1
                    free[pfn & buddy] = order + 1
        for pfn in range(self.w.pages):
            self.free_order[pfn] = self.free_next[pfn] = 0
        for pfn in range(self.w.pages - 1, -1, -1):
            if free[pfn] >= 0:
                self._push(pfn, free[pfn])

    async def alloc_folio(self, order: int) -> int:
        """Allocate a folio of ``order`` with refcount 1 (the caller's); return its pfn, or -1 if
        there is none.
        """
        await self.m.lock(LOCK, self.zone_lock, 0)
        folio = self._take(order)
        if folio < 0:
            self._merge()
            folio = self._take(order)
        if folio >= 0:
            self._prep_compound_page(folio, order)
        await self.m.unlock(UNLOCK, self.zone_lock, 0)
        if folio >= 0:
            await self.m.store(SET_REFCOUNT, self.page_ref, folio, 1, TRANSIENT)
        return folio

    def _prep_compound_page(self, folio: int, order: int) -> None:
        for page in range(folio, folio + (1 << order)):
            self.page_head[page] = folio
        self.page_order[folio] = order

    async def alloc_zeroed_folio(self, order: int) -> int:
        """As :meth:`alloc_folio`, with every page cleared; raises WorldError if not even one page
        is left.
        """
        folio = await self.alloc_folio(order)
        if folio < 0 and order == 0:
            raise WorldError(f"the world's {self.w.pages} pages are all in use: give the scenario's world more pages")
        if folio >= 0:
            for page in range(folio, folio + (1 << order)):
                await self.m.store(CLEAR_PAGE, self.page_content, page, 0)
        return folio

    async def free_unref_folios(self, folios: list[int]) -> None:
        """Free folios whose refcount has reached 0 (free_pages_prepare and free_unref_folios)."""
        if not folios:
            return
        await self.m.lock(FREE_LOCK, self.zone_lock, 0)
        for folio in folios:
            order = self.page_order[folio]
            self.k.checks.page_freed(folio)
            self._free_pages_prepare(folio, order)
            self._push(folio, order)
        await self.m.unlock(FREE_UNLOCK, self.zone_lock, 0)

    def _free_pages_prepare(self, folio: int, order: int) -> None:
        """Reset what the allocator resets; flags that must already be clear are left for the
        checkers to see.
        """
        self.page_mapping[folio] = self.page_index[folio] = self.page_swapbacked[folio] = 0
        self.page_order[folio] = 0
        for page in range(folio, folio + (1 << order)):
            self.page_head[page] = page
            self.page_gen[page] += 1
            for column in (self.page_anon_exclusive, self.page_dirty, self.page_referenced, self.page_active):
                column.view[page] = 0
