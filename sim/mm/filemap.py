"""The page cache (mm/filemap.c, v6.9): look-up, faults, fault-around, and how folios enter and
leave it.

A folio is in the cache from the store of ``i_pages`` to its removal, both under ``i_pages_lock``,
and in between ``page_mapping`` names its file. Whoever has looked a folio up takes its lock and
asks again: truncation may have removed it. Which pages a file has is asked of ``i_size``, without a
lock, and again under the folio lock.

Lock order: inode lock, invalidate_lock, folio lock, i_mmap_rwsem, PTL; ``i_pages_lock`` is a leaf
and stands for i_lock and the xarray's. Left out: readahead, shadow entries, PG_uptodate (a folio
stays locked until it is read).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, RWSEM, SPIN, Cells, Column, Field, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.errors import WorldError
from sim.core.ledger import PAGECACHE, TRANSIENT
from sim.core.machine import site
from sim.mm.mm_types import MM_FILEPAGES, MM_SHMEMPAGES, file_mapping

LOOKUP = site("filemap_get_folio", "read i_pages")
TRY_GET = site("filemap_get_folio", "take a reference unless it is 0")
RELOAD = site("filemap_get_folio", "re-read i_pages")
SIZE = site("filemap_fault", "read i_size")
LOCK = site("filemap_fault", "lock folio")
RECHECK_SIZE = site("filemap_fault", "re-read i_size")
INVALIDATE_LOCK = site("filemap_fault", "lock invalidate_lock for reading")
INVALIDATE_UNLOCK = site("filemap_fault", "unlock invalidate_lock")
UNLOCK = site("folio_unlock", "unlock folio")
ADD_LOCK = site("filemap_add_folio", "set PG_locked")
ADD_REF = site("filemap_add_folio", "take cache references")
ADD_XA_LOCK = site("filemap_add_folio", "lock i_pages")
ADD_CHECK = site("filemap_add_folio", "check i_pages empty")
ADD = site("filemap_add_folio", "store in i_pages")
ADD_XA_UNLOCK = site("filemap_add_folio", "unlock i_pages")
ADD_LOST = site("filemap_add_folio", "put cache references")
AROUND_PMD = site("filemap_map_pages", "read pmd")
AROUND_LOOKUP = site("next_uptodate_folio", "read i_pages")
AROUND_GET = site("next_uptodate_folio", "take a reference unless it is 0")
AROUND_RELOAD = site("next_uptodate_folio", "re-read i_pages")
AROUND_TRYLOCK = site("next_uptodate_folio", "trylock folio")
AROUND_SIZE = site("next_uptodate_folio", "read i_size")
AROUND_PTE = site("filemap_map_folio_range", "check pte empty")
AROUND_REF = site("filemap_map_folio_range", "take mapping references")
CONTENT = site("filemap_read_folio", "read from disk")
REMOVE_XA_LOCK = site("filemap_remove_folio", "lock i_pages")
REMOVE_XA_UNLOCK = site("filemap_remove_folio", "unlock i_pages")
UNACCOUNT_DIRTY = site("filemap_unaccount_folio", "read PG_dirty")
DELETE = site("page_cache_delete", "clear i_pages")
FREE_REFS = site("filemap_free_folio", "put cache references")
SHMEM_PEEK = site("shmem_suitable_orders", "read i_pages")
SETUP_SIZE = site("setup", "set i_size")

SIGBUS, RETRY = -1, -2
"""What filemap_fault() returns instead of a folio (VM_FAULT_SIGBUS, VM_FAULT_RETRY)."""


class Filemap(Component):
    """Files: ``i_pages`` maps (file, index) to a folio, by its head; ``disk`` holds what write-out
    has stored; ``i_size`` is in bytes. ``file_order`` is the order of the folios that faults make
    in shared memory.
    """

    name = "filemap"

    i_pages: Column
    i_pages_lock: Column
    invalidate_lock: Column
    file_shmem: Cells
    file_order: Cells
    i_size: Column
    disk: Column
    pte: Column
    pmd: Column
    page_ref: Column
    page_mapping: Cells
    page_index: Cells
    page_order: Cells
    page_swapbacked: Cells
    page_locked: Column
    page_dirty: Column
    page_content: Column
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells

    def fields(self) -> list[Field]:
        files, cells = self.w.files, self.w.files * self.w.file_pages
        return [
            Field("i_pages", cells, bits=bits_for(self.w.pages)),
            Field("disk", cells, equality="content"),
            Field("file_shmem", files, PRIVATE, bits=1),
            Field("i_size", files, bits=bits_for(self.w.file_pages * self.g.page_size)),
            Field("file_order", files, PRIVATE, bits=bits_for(self.g.orders[-1])),
            Field("i_pages_lock", files, lock=SPIN, bits=bits_for(self.k.slots)),
            Field("invalidate_lock", files, lock=RWSEM),
        ]

    def slot(self, file: int, index: int) -> int:
        """Return the index into ``i_pages`` and ``disk``."""
        return file * self.w.file_pages + index

    def page_at(self, folio: int, index: int) -> int:
        """Return the page of ``folio``, which the caller has a reference on, that is at ``index``
        of its file (folio_file_page).
        """
        return folio + index - self.page_index[folio]

    async def pages_of(self, where: int, file: int) -> int:
        """Return how many pages the file has, the last one perhaps in part: one look at i_size."""
        return -(-await self.m.load(where, self.i_size, file) // self.g.page_size)

    # -- entering the cache ----------------------------------------------------------------------------------------

    async def add_folio(self, cpu: int, file: int, index: int, order: int, shmem: bool = False) -> None:
        """Read a folio of ``order`` into the cache at ``index``, which is aligned to it, and let
        the file reach to its end; ``shmem``: the file is shared memory. For setups.
        """
        self.file_shmem[file] = int(shmem)
        self.file_order[file] = max(self.file_order[file], order) if shmem else 0
        end = (index + (1 << order)) * self.g.page_size
        if await self.m.load(SETUP_SIZE, self.i_size, file) < end:
            await self.m.store(SETUP_SIZE, self.i_size, file, end)
        folio = await self.filemap_add_folio(cpu, file, index, order)
        await self.filemap_read_folio(file, folio)
        await self._unlock_and_put(cpu, folio)

    async def filemap_add_folio(self, cpu: int, file: int, index: int, order: int) -> int:
        """Put a fresh folio of ``order`` into the cache at ``index``; return it locked and with a
        reference, or -1 if there was a folio at one of its places.
        """
        folio, nr, slot = await self.k.page_alloc.alloc_zeroed_folio(order), 1 << order, self.slot(file, index)
        if folio < 0:
            raise WorldError(f"no free folio of order {order} for file {file}: give the scenario's world more pages")
        await self.m.trylock(ADD_LOCK, self.page_locked, folio)
        self.page_mapping[folio], self.page_index[folio] = file_mapping(file), index
        self.page_swapbacked[folio] = self.file_shmem[file]
        await self.m.add(ADD_REF, self.page_ref, folio, nr, PAGECACHE)
        await self.m.lock(ADD_XA_LOCK, self.i_pages_lock, file)
        taken = await self._any_cached(ADD_CHECK, slot, nr)
        if not taken:
            for k in range(nr):
                await self.m.store(ADD, self.i_pages, slot + k, ref_to(folio))
        await self.m.unlock(ADD_XA_UNLOCK, self.i_pages_lock, file)
        if not taken:
            await self.k.swap.folio_add_lru(cpu, folio)
            return folio
        self.page_mapping[folio] = 0
        await self.m.add(ADD_LOST, self.page_ref, folio, -nr, PAGECACHE)
        await self._unlock_and_put(cpu, folio)
        return -1

    async def _any_cached(self, where: int, slot: int, nr: int) -> bool:
        for k in range(nr):
            if await self.m.load(where, self.i_pages, slot + k):
                return True
        return False

    async def filemap_read_folio(self, file: int, folio: int) -> None:
        """Fill a locked folio with what the disk has; of shared memory that is always zeroes."""
        first = self.slot(file, self.page_index[folio])
        for k in range(1 << self.page_order[folio]):
            version = await self.m.load(CONTENT, self.disk, first + k)
            await self.m.store(CONTENT, self.page_content, folio + k, version)

    # -- looking up ------------------------------------------------------------------------------------------------

    async def get_folio(self, cpu: int, file: int, index: int) -> int:
        """Look a folio up and take a reference on it; return it, or -1 if there is none.

        A folio that is being freed, or whose page has become another's since the look, is looked up
        again (filemap_get_entry).
        """
        slot = self.slot(file, index)
        while True:
            folio = index_of_ref(await self.m.load(LOOKUP, self.i_pages, slot))
            if folio < 0:
                return -1
            if not await self.m.rmw(TRY_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT):
                continue
            if index_of_ref(await self.m.load(RELOAD, self.i_pages, slot)) == folio:
                return folio
            await self.k.swap.folio_put(cpu, folio)

    async def filemap_fault(self, cpu: int, vma: int, addr: int) -> int:
        """Return the folio that ``vma`` has at ``addr``, locked and with a reference; or SIGBUS if
        the file does not reach so far; or RETRY if the fault has to be handled again.

        A folio that was not cached is read in. Unless it is shared memory, the kernel drops the
        mmap lock while it reads (here it is kept), and must find the VMA again afterwards.
        """
        file, index = self.k.mm_types.file_of(vma), addr - self.vma_start[vma] + self.vma_pgoff[vma]
        if index >= await self.pages_of(SIZE, file):
            return SIGBUS
        folio, reading = await self.get_folio(cpu, file, index), False
        again = folio < 0 and not self.shmem_mapping(file)
        while folio < 0 or not await self._lock_cached(cpu, file, folio):
            if not reading:
                await self.m.down_read(INVALIDATE_LOCK, self.invalidate_lock, file)
            reading = True
            folio = await self.get_folio(cpu, file, index)
            if folio < 0:
                folio = await self._read_in(cpu, vma, addr, file, index)
        if again:
            await self._unlock_and_put(cpu, folio)
        if reading:
            await self.m.up_read(INVALIDATE_UNLOCK, self.invalidate_lock, file)
        if again:
            return RETRY
        if index < await self.pages_of(RECHECK_SIZE, file):
            return folio
        await self._unlock_and_put(cpu, folio)
        return SIGBUS

    async def _lock_cached(self, cpu: int, file: int, folio: int) -> bool:
        """Lock a folio; return whether it is still the file's. If not, unlock and put it (folio
        mapping check of filemap_fault).
        """
        await self.m.lock(LOCK, self.page_locked, folio)
        if self.in_cache(file, folio):
            return True
        await self._unlock_and_put(cpu, folio)
        return False

    async def _unlock_and_put(self, cpu: int, folio: int) -> None:
        await self.unlock_folio(folio)
        await self.k.swap.folio_put(cpu, folio)

    def in_cache(self, file: int, folio: int) -> bool:
        """Return whether a locked folio is still in the cache of ``file``."""
        return self.page_mapping[folio] == file_mapping(file)

    async def _read_in(self, cpu: int, vma: int, addr: int, file: int, index: int) -> int:
        """Make a folio for ``index``, and read it; return it unlocked and with a reference, or -1
        if another was faster.
        """
        order = await self.fresh_order(vma, addr, file, index)
        folio = await self.filemap_add_folio(cpu, file, index >> order << order, order)
        if folio >= 0:
            await self.filemap_read_folio(file, folio)
            await self.unlock_folio(folio)
        return folio

    async def fresh_order(self, vma: int, addr: int, file: int, index: int) -> int:
        """Return the order of the folio that a fault makes: one page; in shared memory the file's
        order, if the block fits into VMA and cache (shmem_suitable_orders).
        """
        order = self.file_order[file]
        first, base = index >> order << order, addr - (index - (index >> order << order))
        fits = not base & (1 << order) - 1 and self.vma_start[vma] <= base and base + (1 << order) <= self.vma_end[vma]
        if not order or not fits or await self._any_cached(SHMEM_PEEK, self.slot(file, first), 1 << order):
            return 0
        return order

    def unlock_folio(self, folio: int) -> Coroutine[Any, Any, None]:
        """Drop the folio lock."""
        return self.m.unlock(UNLOCK, self.page_locked, folio)

    # -- leaving the cache -----------------------------------------------------------------------------------------

    async def filemap_remove_folio(self, cpu: int, file: int, folio: int) -> None:
        """Remove a locked folio from the cache, and put the cache's references."""
        await self.delete_from_page_cache_batch(cpu, file, [folio])

    async def delete_from_page_cache_batch(self, cpu: int, file: int, folios: list[int]) -> None:
        """Remove locked folios from the cache, under one hold of its lock; then put the cache's
        references.
        """
        await self.m.lock(REMOVE_XA_LOCK, self.i_pages_lock, file)
        for folio in folios:
            await self.remove_from_cache(file, folio)
        await self.m.unlock(REMOVE_XA_UNLOCK, self.i_pages_lock, file)
        for folio in folios:
            await self.filemap_free_folio(cpu, folio)

    async def remove_from_cache(self, file: int, folio: int) -> None:
        """Take a locked folio out of ``i_pages``; the caller holds ``i_pages_lock``
        (__filemap_remove_folio).
        """
        await self.filemap_unaccount_folio(file, folio)
        first = self.slot(file, self.page_index[folio])
        for k in range(1 << self.page_order[folio]):
            await self.m.store(DELETE, self.i_pages, first + k, 0)
        self.page_mapping[folio] = 0

    async def filemap_unaccount_folio(self, file: int, folio: int) -> None:
        """Ask what the kernel asks of a folio that leaves: that nothing maps it ("Bad page cache")
        and that no data is lost (the warning).
        """
        if await self.k.rmap.folio_mapped(folio):
            self.k.checks.bad_page_cache(folio)
        if await self.m.load(UNACCOUNT_DIRTY, self.page_dirty, folio) and not self.file_shmem[file]:
            self.k.checks.dirty_removed(folio)

    async def filemap_free_folio(self, cpu: int, folio: int) -> None:
        """Put the cache's references to a folio that has left it; the caller has one of its own."""
        await self.m.add(FREE_REFS, self.page_ref, folio, -(1 << self.page_order[folio]), PAGECACHE)

    # -- fault-around ----------------------------------------------------------------------------------------------

    async def filemap_map_pages(self, cpu: int, mm: int, vma: int, addr: int) -> bool:
        """Map the empty entries around ``addr`` that have cached folios; return whether that of
        ``addr`` was among them.
        """
        first, last = self.window(vma, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        last, size = await self.clip(vma, first, last)
        at, mapped = first, []
        while at < last:
            page, nr = await self._next_folio(cpu, vma, at, last)
            if page >= 0:
                mapped += await self._map_folio(cpu, vma, table, page, at, nr, size)
            at += nr
        if mapped:
            await self.k.page_fault.add_rss(cpu, mm, self.counter(vma), len(mapped))
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return addr in mapped

    def window(self, vma: int, addr: int) -> tuple[int, int]:
        """Return the pages [first, last) around ``addr`` that fault-around looks at
        (do_fault_around).

        It begins with the aligned block of :meth:`fault_around` pages that holds ``addr``, or with
        the VMA, and has as many pages from there on, inside the VMA and the PTE table.
        """
        first = max(self.vma_start[vma], addr // self.fault_around() * self.fault_around())
        return first, self.window_end(vma, addr, first)

    def window_end(self, vma: int, addr: int, first: int) -> int:
        """Return where fault-around stops that begins with ``first``: after its window, at the end
        of the PTE table, or at that of the VMA (to_pte).
        """
        table_end = (addr // self.g.ptrs_per_pte + 1) * self.g.ptrs_per_pte
        return min(first + self.fault_around(), table_end, self.vma_end[vma])

    async def clip(self, vma: int, first: int, last: int) -> tuple[int, int]:
        """Return where fault-around stops that begins with ``first``, and how many pages the file
        has if that was looked at: the end of the window, and nothing was (6.9).
        """
        return last, 0

    async def window_is_open(self, cpu: int, mm: int, vma: int, addr: int) -> bool:
        """Return whether fault-around can map anything around ``addr``: where there is no table yet
        it installs one for the first folio that it finds, and for that alone (filemap_map_pmd).
        """
        if await self.m.load(AROUND_PMD, self.pmd, self.k.pgtable.pmd_index(mm, addr)):
            return True
        at, last = self.window(vma, addr)
        while at < last:
            page, nr = await self._next_folio(cpu, vma, at, last)
            if page >= 0:
                folio = self.k.page_head(page)
                opens = await self.opens_window(self.k.mm_types.file_of(vma), folio)
                await self._unlock_and_put(cpu, folio)
                return opens
            at += nr
        return False

    async def opens_window(self, file: int, folio: int) -> bool:
        """Return whether a table may be installed for the window's first folio: for any (6.9)."""
        return True

    def counter(self, vma: int) -> int:
        """Return which RSS counter the cached pages of the file that ``vma`` maps are in."""
        return MM_SHMEMPAGES if self.shmem_mapping(self.k.mm_types.file_of(vma)) else MM_FILEPAGES

    def shmem_mapping(self, file: int) -> bool:
        """Return whether a file is shared memory."""
        return bool(self.file_shmem[file])

    def fault_around(self) -> int:
        """Return the window of fault-around in pages (fault_around_bytes is 64 KiB)."""
        return max(1, min(65536 // self.g.page_size, self.g.ptrs_per_pte))

    async def _map_folio(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int, size: int) -> list[int]:
        """Map what is empty of the ``nr`` pages from ``at`` on, those of a locked folio from
        ``page`` on; let go of the folio. Return the addresses mapped. ``size``: what
        :meth:`clip` has found.
        """
        mapped = await self._map_range(cpu, vma, table, page, at, nr)
        await self._unlock_and_put(cpu, self.k.page_head(page))
        return mapped

    async def _next_folio(self, cpu: int, vma: int, at: int, last: int) -> tuple[int, int]:
        """Look up what the file has at ``at``; lock its folio and take a reference, if nobody has
        locked it, it is still in the cache and the file still reaches to it. Return the page, or
        -1; and how many of [at, last) the folio has (next_uptodate_folio).
        """
        file, index = self.k.mm_types.file_of(vma), at - self.vma_start[vma] + self.vma_pgoff[vma]
        folio = await self._get_around(cpu, self.slot(file, index))
        if folio < 0:
            return -1, 1
        page, locked = self.page_at(folio, index), await self.m.trylock(AROUND_TRYLOCK, self.page_locked, folio)
        nr = min(last - at, folio + self.k.mm_types.folio_nr_pages(folio) - page)
        if locked and self.is_still_cached(file, folio) and index < await self.pages_of(AROUND_SIZE, file):
            return page, nr
        if locked:
            await self.unlock_folio(folio)
        await self.k.swap.folio_put(cpu, folio)
        return -1, nr

    def is_still_cached(self, file: int, folio: int) -> bool:
        """Return whether a folio that fault-around has locked is still the file's."""
        return self.in_cache(file, folio)

    async def _get_around(self, cpu: int, slot: int) -> int:
        """Take a reference on the folio in ``slot``, unless it is being freed or has moved; return
        it, or -1.
        """
        folio = index_of_ref(await self.m.load(AROUND_LOOKUP, self.i_pages, slot))
        if folio < 0:
            return -1
        if not await self.m.rmw(AROUND_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT):
            return -1
        if index_of_ref(await self.m.load(AROUND_RELOAD, self.i_pages, slot)) == folio:
            return folio
        await self.k.swap.folio_put(cpu, folio)
        return -1

    async def may_map(self, table: int, addr: int) -> bool:
        """Return whether fault-around may map a page at ``addr``: if pte_none() of the entry."""
        return not await self.m.load(AROUND_PTE, self.pte, self.k.pgtable.ptep(table, addr))

    async def _map_range(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int) -> list[int]:
        """Map runs of empty entries: rmap and PTEs first, mapping references last, as 6.9 does."""
        folio = self.k.page_head(page)
        empty = [await self.may_map(table, at + k) for k in range(nr)]
        k = 0
        mapped: list[int] = []
        while k < nr:
            run = k
            while run < nr and empty[run]:
                run += 1
            if run > k:
                ptep = self.k.pgtable.ptep(table, at + k)
                await self.k.page_fault.set_pte_range(cpu, vma, at + k, ptep, page + k, run - k, False, 0, PAGECACHE)
                await self.m.add(AROUND_REF, self.page_ref, folio, run - k, PAGECACHE)
                mapped += range(at + k, at + run)
            k = run + 1
        return mapped
