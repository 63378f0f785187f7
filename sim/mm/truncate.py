"""Removing pages from the page cache (mm/truncate.c, v6.9): truncation, which throws data away, and
invalidation, which lets the disk's come in.

Both unmap a locked folio through i_mmap, and rely on that: a zapper that has taken an entry and
still counts its mapping holds the PTL, so that the walk waits for it. Truncation does not look
again. The file system calls these under its inode lock (:mod:`sim.mm.filesystem`).

Lock order: folio lock, i_mmap_rwsem, PTL; folio lock, i_pages_lock. Left out: shadow entries,
private data, launder_folio. A large folio is never split: as if somebody had a reference to it.
"""

from __future__ import annotations

import errno
from collections.abc import Coroutine
from typing import Any

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site

LOCK_BATCH = site("find_lock_entries", "trylock folio")
WRITEBACK_BATCH = site("find_lock_entries", "read PG_writeback")
LOCK = site("truncate_inode_pages_range", "lock folio")
ZERO = site("truncate_inode_partial_folio", "zero page")
DIRTY = site("truncate_inode_partial_folio", "read PG_dirty")
CLEANED_UP = site("truncate_cleanup_folio", "take the folio for unmapped", step=False)
UNMAPPED = site("folio_unmap_invalidate", "take the folio for unmapped", step=False)
INVALIDATE_LOCK = site("invalidate_inode_pages2_range", "lock folio")
INVALIDATE_XA_LOCK = site("folio_unmap_invalidate", "lock i_pages")
INVALIDATE_DIRTY = site("folio_unmap_invalidate", "read PG_dirty")
INVALIDATE_XA_UNLOCK = site("folio_unmap_invalidate", "unlock i_pages")


class Truncate(Component):
    """Ranges of files are in pages [first, end), unless they are said to be in bytes."""

    name = "truncate"

    i_pages_lock: Column
    page_locked: Column
    page_dirty: Column
    page_writeback: Column
    page_content: Column
    page_index: Cells
    page_order: Cells

    # -- truncation ------------------------------------------------------------------------------------------------

    async def truncate_pagecache(self, cpu: int, file: int, size: int) -> None:
        """Drop what the cache has behind byte ``size``, which i_size says already.

        Private copies go too. They may come back while folios are removed one by one, as copies of
        folios that are still there; so the range is unmapped again when none is left.
        """
        end = self.w.file_pages * self.g.page_size
        first = -(-size // self.g.page_size) * self.g.page_size
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first, end, even_cows=True)
        await self.truncate_inode_pages_range(cpu, file, size, end)
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first, end, even_cows=True)

    async def truncate_pagecache_range(self, cpu: int, file: int, first: int, end: int) -> None:
        """Punch a hole of whole pages; private copies stay."""
        size = self.g.page_size
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first * size, end * size, even_cows=False)
        await self.truncate_inode_pages_range(cpu, file, first * size, end * size)

    async def truncate_inode_pages_range(self, cpu: int, file: int, start: int, stop: int) -> None:
        """Remove from the cache what lies in bytes [start, stop): first what can be locked at once,
        then the folios at the edges, then whatever is left, waiting for it.
        """
        size = self.g.page_size
        first, end = -(-start // size), stop // size
        index = first
        while index < end:
            index = await self._truncate_batch(cpu, file, index, end)
        first = await self._truncate_edge(cpu, file, start // size, start, stop, first)
        if stop < self.w.file_pages * size and not first > end:
            end = await self._truncate_edge_behind(cpu, file, stop // size, start, stop, end)
        while await self._truncate_rest(cpu, file, first, end):
            pass

    async def _truncate_batch(self, cpu: int, file: int, index: int, end: int) -> int:
        """Remove a batch of folios that lie wholly in [index, end), are not locked and not being
        written out; return where to go on.
        """
        folios, index = await self.find_lock_entries(cpu, file, index, end)
        for folio in folios:
            await self.truncate_cleanup_folio(cpu, folio)
        if folios:
            await self.k.filemap.delete_from_page_cache_batch(cpu, file, folios)
        for folio in folios:
            await self.k.filemap.unlock_folio(folio)
        for folio in folios:
            await self.k.swap.folio_put(cpu, folio)
        return index

    async def find_lock_entries(self, cpu: int, file: int, index: int, end: int) -> tuple[list[int], int]:
        """Return folios that lie wholly in [index, end), locked and with a reference, at most a
        batch of them; and where to go on.
        """
        folios: list[int] = []
        while index < end and len(folios) < self.g.pagevec:
            folio = await self.k.filemap.get_folio(cpu, file, index)
            if folio < 0:
                index += 1
                continue
            inside = self.lies_in_range(folio, index, end)
            index = self._next_index(folio)
            if inside and await self.lock_entry(cpu, file, folio):
                folios.append(folio)
            else:
                await self.k.swap.folio_put(cpu, folio)
        return folios, index

    def lies_in_range(self, folio: int, index: int, end: int) -> bool:
        """Return whether a folio that was found at ``index`` begins there, and ends in the range."""
        return self.page_index[folio] == index and self._next_index(folio) <= end

    async def lock_entry(self, cpu: int, file: int, folio: int) -> bool:
        """Lock a folio if nobody has locked it, it is still in the cache, and it is not being
        written out; return whether that is so.
        """
        if not await self.m.trylock(LOCK_BATCH, self.page_locked, folio):
            return False
        if self.k.filemap.in_cache(file, folio) and not await self.m.load(WRITEBACK_BATCH, self.page_writeback, folio):
            return True
        await self.k.filemap.unlock_folio(folio)
        return False

    def _next_index(self, folio: int) -> int:
        """Return the index behind a folio (folio_next_index)."""
        return self.page_index[folio] + (1 << self.page_order[folio])

    async def _truncate_edge(self, cpu: int, file: int, index: int, start: int, stop: int, first: int) -> int:
        """Truncate the folio at ``index``, with which the range begins; return the first page that
        is still to be removed.
        """
        folio = await self._locked_at(cpu, file, index)
        if folio < 0:
            return first
        if not await self.truncate_edge_folio(cpu, file, folio, start, stop):
            first = self._next_index(folio)
        await self._unlock_and_put(cpu, folio)
        return first

    async def _truncate_edge_behind(self, cpu: int, file: int, index: int, start: int, stop: int, end: int) -> int:
        """Truncate the folio at ``index``, with which the range ends; return behind the last page
        that is still to be removed.
        """
        folio = await self._locked_at(cpu, file, index)
        if folio < 0:
            return end
        begin = self.page_index[folio] * self.g.page_size
        if begin < stop and not await self.truncate_edge_folio(cpu, file, folio, start, stop):
            end = self.page_index[folio]
        await self._unlock_and_put(cpu, folio)
        return end

    async def _locked_at(self, cpu: int, file: int, index: int) -> int:
        """Return the folio at ``index``, locked and with a reference, or -1."""
        folio = await self.k.filemap.get_folio(cpu, file, index) if index < self.w.file_pages else -1
        if folio < 0:
            return -1
        await self.m.lock(LOCK, self.page_locked, folio)
        if self.k.filemap.in_cache(file, folio):
            return folio
        await self._unlock_and_put(cpu, folio)
        return -1

    async def _unlock_and_put(self, cpu: int, folio: int) -> None:
        await self.k.filemap.unlock_folio(folio)
        await self.k.swap.folio_put(cpu, folio)

    async def truncate_edge_folio(self, cpu: int, file: int, folio: int, start: int, stop: int) -> bool:
        """Truncate a locked folio at an edge of bytes [start, stop); return whether nothing of it
        is left to be removed. Shared memory is marked dirty first: what is left of the folio is
        nowhere else, and perhaps only page tables know of a store to it (shmem_undo_range).
        """
        if self.k.filemap.shmem_mapping(file):
            await self.k.page_writeback.folio_mark_dirty(folio)
        return await self.truncate_inode_partial_folio(cpu, file, folio, start, stop)

    async def truncate_inode_partial_folio(self, cpu: int, file: int, folio: int, start: int, stop: int) -> bool:
        """Truncate what lies in bytes [start, stop) of a locked folio; return whether nothing of it
        is left to be removed.

        A folio that lies in it as a whole is removed. Else the part is zeroed; a large folio, which
        cannot be split, goes as a whole all the same if it is clean, and stays if it is dirty.
        """
        size = self.g.page_size
        first, end = self.page_index[folio] * size, self._next_index(folio) * size
        await self.k.page_writeback.wait_for_writeback(folio)
        if start <= first and end <= stop:
            await self.truncate_inode_folio(cpu, file, folio)
            return True
        for page in range(folio, folio + (1 << self.page_order[folio])):
            if start <= first + (page - folio) * size < stop:
                await self.m.store(ZERO, self.page_content, page, 0)
        if not self.page_order[folio]:
            return True
        if not await self.may_drop_unsplit(folio):
            return False
        await self.truncate_inode_folio(cpu, file, folio)
        return True

    async def may_drop_unsplit(self, folio: int) -> bool:
        """Return whether a large folio that could not be split may go as a whole: if it is clean
        (folio_test_dirty).
        """
        return not await self.m.load(DIRTY, self.page_dirty, folio)

    async def _truncate_rest(self, cpu: int, file: int, first: int, end: int) -> bool:
        """Remove every folio in [first, end), waiting for its lock and its write-out; return
        whether there was one.
        """
        index, found = first, False
        while index < end:
            folio = await self._locked_at(cpu, file, index)
            index += 1
            if folio < 0:
                continue
            found, index = True, self._next_index(folio)
            await self.wait_for_rest(folio)
            await self.truncate_inode_folio(cpu, file, folio)
            await self._unlock_and_put(cpu, folio)
        return found

    def wait_for_rest(self, folio: int) -> Coroutine[Any, Any, None]:
        """Wait for the write-out of a locked folio that the first pass has left
        (folio_wait_writeback in truncate_inode_pages_range).
        """
        return self.k.page_writeback.wait_for_writeback(folio)

    async def truncate_inode_folio(self, cpu: int, file: int, folio: int) -> None:
        """Unmap a locked folio and remove it from the cache, if it is still there."""
        if self.k.filemap.in_cache(file, folio):
            await self.truncate_cleanup_folio(cpu, folio)
            await self.k.filemap.filemap_remove_folio(cpu, file, folio)

    async def truncate_cleanup_folio(self, cpu: int, folio: int) -> None:
        """Unmap a locked folio that is to be removed, and forget that it is dirty. Nobody looks
        again whether it is mapped.
        """
        await self.unmap_if_mapped(cpu, folio, CLEANED_UP)
        await self.k.page_writeback.folio_cancel_dirty(folio)

    async def unmap_if_mapped(self, cpu: int, folio: int, where: int) -> None:
        """Unmap a locked folio; ``where`` takes it for unmapped."""
        if await self.k.rmap.folio_mapped(folio):
            await self.k.unmap_mapping.unmap_mapping_folio(cpu, folio)
            self.k.checks.folio_unmapped(folio, where)

    # -- invalidation ----------------------------------------------------------------------------------------------

    async def invalidate_inode_pages2_range(self, cpu: int, file: int, first: int, end: int) -> int:
        """Remove the folios of pages [first, end) from the cache, so that the disk is read again;
        return 0, or -EBUSY if some could not be, as somebody has stored to them.
        """
        index, unmapped, result = first, False, 0
        while index < end:
            folio = await self.k.filemap.get_folio(cpu, file, index)
            index += 1
            if folio < 0:
                continue
            if not unmapped and await self.k.rmap.folio_mapped(folio):
                await self.k.unmap_mapping.unmap_mapping_pages(cpu, file, index - 1, end, even_cows=False)
                unmapped = True
            index, clean = await self.invalidate_found(cpu, file, folio, index)
            if not clean:
                result = -errno.EBUSY
        return result

    async def invalidate_found(self, cpu: int, file: int, folio: int, index: int) -> tuple[int, bool]:
        """Invalidate a folio that was looked up, under its lock, if it is still in the cache; put
        it. Return where to go on, ``index`` if it is not, and whether it was clean.
        """
        clean = True
        await self.m.lock(INVALIDATE_LOCK, self.page_locked, folio)
        if self.k.filemap.in_cache(file, folio):
            index = self._next_index(folio)
            clean = await self.invalidate_locked_folio(cpu, file, folio)
        await self._unlock_and_put(cpu, folio)
        return index, clean

    async def invalidate_locked_folio(self, cpu: int, file: int, folio: int) -> bool:
        """Invalidate a folio that is locked, and still in the cache, once it has been written out;
        return whether it was clean, and so is gone.
        """
        await self.k.page_writeback.wait_for_writeback(folio)
        return await self.folio_unmap_invalidate(cpu, file, folio)

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """Unmap a locked folio and remove it from the cache; return whether it was clean, and so is
        gone.
        """
        await self.unmap_if_mapped(cpu, folio, UNMAPPED)
        return await self.invalidate_complete_folio2(cpu, file, folio)

    async def invalidate_complete_folio2(self, cpu: int, file: int, folio: int) -> bool:
        """Remove a locked folio that is unmapped from the cache, unless it is dirty; return whether
        it was clean, and so is gone. By 6.18 folio_unmap_invalidate does so itself.
        """
        if await self.k.rmap.folio_mapped(folio):
            self.k.checks.invalidated_mapped(folio)
        await self.m.lock(INVALIDATE_XA_LOCK, self.i_pages_lock, file)
        clean = not await self.m.load(INVALIDATE_DIRTY, self.page_dirty, folio)
        if clean:
            await self.k.filemap.remove_from_cache(file, folio)
        await self.m.unlock(INVALIDATE_XA_UNLOCK, self.i_pages_lock, file)
        if clean:
            await self.k.filemap.filemap_free_folio(cpu, folio)
        return clean
