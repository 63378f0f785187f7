"""The page cache (mm/filemap.c, v6.9): look-up, fault-around, and one-page faults.

All folios of a file are made by :meth:`add_folio` during setup; nothing is truncated, so a look-up
never fails. Lock order: folio lock, PTL. Left out: readahead, truncation, the i_pages lock.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, Cells, Column, Field, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.errors import WorldError
from sim.core.ledger import PAGECACHE, TRANSIENT
from sim.core.machine import site
from sim.mm.mm_types import MM_FILEPAGES, MM_SHMEMPAGES, file_mapping

LOOKUP = site("filemap_get_folio", "read i_pages")
TRY_GET = site("filemap_get_folio", "take reference")
LOCK = site("filemap_fault", "lock folio")
UNLOCK = site("folio_unlock", "unlock folio")
ADD = site("filemap_add_folio", "store in i_pages")
ADD_REF = site("filemap_add_folio", "take cache references")
AROUND_TRYLOCK = site("next_uptodate_folio", "trylock folio")
AROUND_GET = site("next_uptodate_folio", "take reference")
AROUND_LOOKUP = site("next_uptodate_folio", "read i_pages")
AROUND_PTE = site("filemap_map_folio_range", "check pte empty")
AROUND_REF = site("filemap_map_folio_range", "take mapping references")
CONTENT = site("filemap_read_folio", "read from disk")


class Filemap(Component):
    """Files: ``i_pages`` maps (file, index) to a page; ``disk`` holds what write-out has stored;
    ``i_size`` counts pages.
    """

    name = "filemap"

    i_pages: Column
    file_shmem: Cells
    i_size: Cells
    disk: Column
    pte: Column
    page_ref: Column
    page_mapping: Cells
    page_index: Cells
    page_swapbacked: Cells
    page_locked: Column
    page_content: Column
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells

    def fields(self) -> list[Field]:
        cells = self.w.files * self.w.file_pages
        return [
            Field("i_pages", cells, bits=bits_for(self.w.pages)),
            Field("disk", cells, equality="content"),
            Field("file_shmem", self.w.files, PRIVATE, bits=1),
            Field("i_size", self.w.files, PRIVATE, bits=bits_for(self.w.file_pages)),
        ]

    def slot(self, file: int, index: int) -> int:
        """Return the index into ``i_pages`` and ``disk``."""
        return file * self.w.file_pages + index

    async def add_folio(self, cpu: int, file: int, index: int, order: int, shmem: bool = False) -> None:
        """Read a folio of ``order`` into the cache at ``index``, which is aligned to it; ``shmem``:
        the file is shared memory.
        """
        folio, nr = await self.k.page_alloc.alloc_zeroed_folio(order), 1 << order
        self.file_shmem[file], self.i_size[file] = int(shmem), max(self.i_size[file], index + nr)
        self.page_mapping[folio], self.page_index[folio], self.page_swapbacked[folio] = (
            file_mapping(file),
            index,
            int(shmem),
        )
        await self.m.add(ADD_REF, self.page_ref, folio, nr, PAGECACHE)
        for k in range(nr):
            version = await self.m.load(CONTENT, self.disk, self.slot(file, index + k))
            await self.m.store(CONTENT, self.page_content, folio + k, version)
            await self.m.store(ADD, self.i_pages, self.slot(file, index + k), ref_to(folio + k))
        await self.k.swap.folio_add_lru(cpu, folio)
        await self.k.swap.folio_put(cpu, folio)

    async def get_folio(self, file: int, index: int) -> int:
        """Look a folio up and take a reference on it.

        Raises WorldError if it was never read in: the model has no disk to read from.
        """
        page = index_of_ref(await self.m.load(LOOKUP, self.i_pages, self.slot(file, index)))
        if page < 0:
            raise WorldError(f"page {index} of file {file} is not in the page cache: read it in first, in the setup")
        folio = self.k.page_head(page)
        await self.m.add(TRY_GET, self.page_ref, folio, 1, TRANSIENT)
        return folio

    async def filemap_fault(self, cpu: int, file: int, index: int) -> int:
        """Return the folio at ``index``, locked and referenced."""
        folio = await self.get_folio(file, index)
        await self.m.lock(LOCK, self.page_locked, folio)
        return folio

    def unlock_folio(self, folio: int) -> Coroutine[Any, Any, None]:
        """Drop the folio lock."""
        return self.m.unlock(UNLOCK, self.page_locked, folio)

    # -- fault-around ----------------------------------------------------------------------------------------------

    async def filemap_map_pages(self, cpu: int, mm: int, vma: int, addr: int) -> bool:
        """Map the empty entries around ``addr`` that have cached folios; return whether that of
        ``addr`` was among them.
        """
        first, last = self.window(vma, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        at, mapped = first, []
        while at < last:
            nr, pages = await self._map_folio(cpu, vma, table, at, last)
            mapped += pages
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

    async def window_is_open(self, mm: int, vma: int, addr: int) -> bool:
        """Return whether fault-around may map anything around ``addr``: always (6.9)."""
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

    async def _map_folio(self, cpu: int, vma: int, table: int, at: int, last: int) -> tuple[int, list[int]]:
        """Map what is empty of [at, last) from the folio at ``at``; return (pages passed, addresses
        mapped).
        """
        page, nr = await self._next_folio(vma, at, last)
        if page < 0:
            return 1, []
        folio, mapped = self.k.page_head(page), list[int]()
        if await self.m.trylock(AROUND_TRYLOCK, self.page_locked, folio):
            mapped = await self._map_range(cpu, vma, table, page, at, nr)
            await self.unlock_folio(folio)
        await self.k.swap.folio_put(cpu, folio)
        return nr, mapped

    async def _next_folio(self, vma: int, at: int, last: int) -> tuple[int, int]:
        """Look up what the file has at ``at``, and take a reference on its folio; return the page
        and how many of [at, last) the folio has, or (-1, 0) (next_uptodate_folio).
        """
        index = at - self.vma_start[vma] + self.vma_pgoff[vma]
        slot = self.slot(self.k.mm_types.file_of(vma), index)
        page = index_of_ref(await self.m.load(AROUND_LOOKUP, self.i_pages, slot))
        if page < 0:
            return -1, 0
        folio = self.k.page_head(page)
        await self.m.add(AROUND_GET, self.page_ref, folio, 1, TRANSIENT)
        return page, min(last - at, folio + self.k.mm_types.folio_nr_pages(folio) - page)

    async def may_map(self, table: int, addr: int) -> bool:
        """Return whether fault-around may map a page at ``addr``: where the entry is empty
        (pte_none).
        """
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
