"""The last page of a large folio does not know its head.

prep_compound_page() (mm/page_alloc.c, 6.9) makes a tail of every page but the first: nr_pages - 1
of them, counted from 1.
"""

from __future__ import annotations

from sim.mm.page_alloc import PageAlloc

KERNEL = "6.9"
KIND = "sequence"


class LastTailHasNoHead(PageAlloc):
    component = "page_alloc"

    def _prep_compound_page(self, folio: int, order: int) -> None:
        """The loop ends one page too early."""
        for page in range(folio, folio + max(1, (1 << order) - 1)):
            self.page_head[page] = folio
        self.page_order[folio] = order
