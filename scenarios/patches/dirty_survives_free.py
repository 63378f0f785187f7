"""A page that is freed keeps PG_dirty.

free_pages_prepare() (mm/page_alloc.c, 6.9) clears every flag that a page may be freed with
(PAGE_FLAGS_CHECK_AT_PREP): the next user of the page has not written it yet.
"""

from __future__ import annotations

from sim.mm.page_alloc import PageAlloc

KERNEL = "6.9"
KIND = "sequence"


class DirtySurvivesFree(PageAlloc):
    component = "page_alloc"

    def _free_pages_prepare(self, folio: int, order: int) -> None:
        """The mask lacks one flag."""
        dirty = self.page_dirty.view[folio]
        super()._free_pages_prepare(folio, order)
        self.page_dirty.view[folio] = dirty
