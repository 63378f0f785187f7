"""A truncated folio is made clean before it is unmapped.

truncate_cleanup_folio() (mm/truncate.c, 6.9) unmaps first: a zap passes the dirty bit of an entry
on to the folio.
"""

from __future__ import annotations

from sim.mm.truncate import CLEANED_UP, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O33")


class CancelsDirtyBeforeUnmap(Truncate):
    component = "truncate"

    async def truncate_cleanup_folio(self, cpu: int, folio: int) -> None:
        """Cancel, unmap."""
        await self.k.page_writeback.folio_cancel_dirty(folio)
        await self.unmap_if_mapped(cpu, folio, CLEANED_UP)
