"""A folio is written out again while it is still under writeback.

write_cache_pages() (mm/page-writeback.c, 6.9) waits for PG_writeback before it cleans the folio for
the next write-out: two at once may reach the disk in either order.
"""

from __future__ import annotations

from sim.mm.page_writeback import TEST_DIRTY, PageWriteback

KERNEL = "6.9"
KIND = "interleaving"


class WritebackNotWaitedFor(PageWriteback):
    component = "page_writeback"

    async def folio_prepare_writeback(self, cpu: int, file: int, folio: int) -> bool:
        """The folio lock is held, and that is taken to be enough."""
        if not self.k.filemap.in_cache(file, folio) or not await self.m.load(TEST_DIRTY, self.page_dirty, folio):
            return False
        return await self.folio_clear_dirty_for_io(cpu, folio)
