"""A folio is written out again while it is still under writeback.

write_cache_pages() (mm/page-writeback.c, 6.9) waits for PG_writeback before it cleans the folio for
the next write-out: two at once may reach the disk in either order.
"""

from __future__ import annotations

from sim.mm.page_writeback import LOCK, START, TEST_DIRTY, UNLOCK, PageWriteback

KERNEL = "6.9"
KIND = "interleaving"


class WritebackNotWaitedFor(PageWriteback):
    component = "page_writeback"

    async def write_folio(self, cpu: int, file: int, index: int) -> bool:
        """The folio lock is held, and that is taken to be enough."""
        folio = await self.k.filemap.get_folio(cpu, file, index)
        if folio < 0:
            return False
        await self.m.lock(LOCK, self.page_locked, folio)
        cached = self.k.filemap.in_cache(file, folio)
        dirty = cached and bool(await self.m.load(TEST_DIRTY, self.page_dirty, folio))
        if dirty and (dirty := await self.folio_clear_dirty_for_io(cpu, folio)):
            await self.m.store(START, self.page_writeback, folio, 1)
        await self.m.unlock(UNLOCK, self.page_locked, folio)
        if dirty:
            await self.write_out(folio, file)
        await self.k.swap.folio_put(cpu, folio)
        return dirty
