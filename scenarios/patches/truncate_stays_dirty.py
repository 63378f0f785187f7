"""A folio that is truncated keeps PG_dirty.

truncate_cleanup_folio() (mm/truncate.c, 6.9) cancels it, before filemap_unaccount_folio() warns of
it.
"""

from __future__ import annotations

from sim.mm.page_writeback import PageWriteback

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("truncation", "O33")


class TruncateStaysDirty(PageWriteback):
    component = "page_writeback"

    async def folio_cancel_dirty(self, folio: int) -> None:
        """The flag goes with the folio."""
