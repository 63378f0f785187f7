"""Dirtying and write-out (mm/page-writeback.c, v6.9).

``folio_clear_dirty_for_io`` write-protects through the rmap before it clears PG_dirty, and a zapper
that still owes the removal of a rmap makes it wait for the PTL: that is what keeps late stores.
Lock order: folio lock, i_mmap_rwsem, PTL. Left out: dirty accounting, inode lists, errors.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site

MARK_DIRTY = site("folio_mark_dirty", "set PG_dirty")
LOCK = site("write_cache_pages", "lock folio")
UNLOCK = site("write_cache_pages", "unlock folio")
TEST_DIRTY = site("write_cache_pages", "read PG_dirty")
CANCEL_TEST = site("folio_cancel_dirty", "read PG_dirty")
CANCEL_DIRTY = site("folio_cancel_dirty", "clear PG_dirty")
CLEAR_DIRTY = site("folio_clear_dirty_for_io", "clear PG_dirty")
START = site("folio_start_writeback", "set PG_writeback")
COPY_READ = site("write_out", "read page")
COPY_WRITE = site("write_out", "write to disk")
END = site("folio_end_writeback", "clear PG_writeback")
WAIT = site("folio_wait_writeback", "wait for PG_writeback")


class PageWriteback(Component):
    """PG_dirty, PG_writeback, and what reaches the disk."""

    name = "page_writeback"

    page_dirty: Column
    page_writeback: Column
    page_locked: Column
    page_content: Column
    page_order: Cells
    page_index: Cells
    disk: Column

    async def folio_mark_dirty(self, folio: int) -> None:
        """Set PG_dirty: the folio's content is newer than the disk's."""
        await self.m.xchg(MARK_DIRTY, self.page_dirty, folio, 1)
        self.k.checks.marked_dirty(folio)

    async def write_folio(self, cpu: int, file: int, index: int) -> bool:
        """Write one folio out if it is cached and dirty (write_cache_pages for one folio); return
        whether it was.
        """
        folio = await self.k.filemap.get_folio(cpu, file, index)
        if folio < 0:
            return False
        await self.m.lock(LOCK, self.page_locked, folio)
        dirty = await self.folio_prepare_writeback(cpu, file, folio)
        if dirty:
            await self.m.store(START, self.page_writeback, folio, 1)
        await self.m.unlock(UNLOCK, self.page_locked, folio)
        if dirty:
            await self.write_out(folio, file)
        await self.k.swap.folio_put(cpu, folio)
        return dirty

    async def folio_prepare_writeback(self, cpu: int, file: int, folio: int) -> bool:
        """Take PG_dirty of a locked folio, if it is still the file's and dirty, once an earlier
        write-out is done; return whether it is to be written out.
        """
        if not self.k.filemap.in_cache(file, folio) or not await self.m.load(TEST_DIRTY, self.page_dirty, folio):
            return False
        await self.wait_for_writeback(folio)
        return await self.folio_clear_dirty_for_io(cpu, folio)

    async def wait_for_writeback(self, folio: int) -> None:
        """Wait until an earlier write-out of the locked folio is done (folio_wait_writeback)."""
        writeback = self.page_writeback
        await self.m.wait(WAIT, writeback, folio, lambda: writeback.view[folio] == 0)

    async def folio_cancel_dirty(self, folio: int) -> None:
        """Clear PG_dirty of a folio whose data nobody wants any more."""
        if await self.m.load(CANCEL_TEST, self.page_dirty, folio):
            await self.m.xchg(CANCEL_DIRTY, self.page_dirty, folio, 0)
            self.k.checks.dirty_cancelled(folio)

    async def folio_clear_dirty_for_io(self, cpu: int, folio: int) -> bool:
        """Take PG_dirty for write-out, with every shared PTE cleaned first; return whether it was
        set.
        """
        if await self.k.rmap.folio_mkclean(cpu, folio):
            await self.folio_mark_dirty(folio)
        dirty = bool(await self.m.xchg(CLEAR_DIRTY, self.page_dirty, folio, 0))
        self.k.checks.cleaned_for_io(folio, dirty)
        return dirty

    async def write_out(self, folio: int, file: int) -> None:
        """Copy each page to the disk, then end writeback."""
        first = self.k.filemap.slot(file, self.page_index[folio])
        for k in range(1 << self.page_order[folio]):
            version = await self.m.load(COPY_READ, self.page_content, folio + k)
            self.k.checks.copied(folio + k)
            await self.m.store(COPY_WRITE, self.disk, first + k, version)
        await self.m.store(END, self.page_writeback, folio, 0)
