"""Folios that leave the page cache, what is mapped behind the end of a file, and private copies of
a file's pages: O30 to O35.

O30 counts what the page tables hold and what zappers still owe; it does not ask what the kernel
asks. O31 to O33 are the kernel's own assertions, at the steps at which it makes them.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import Cells, Column
from sim.core.component import index_of_ref, ref_to
from sim.core.operations import number_of
from sim.core.pte import PFN_SHIFT, PRESENT, SPECIAL
from sim.mm.mm_types import file_mapping
from sim.mm.rmap import FILE_LINKED

TRUNCATE = number_of("truncate")
"""In ``op``; the operations from here on are those that remove pages of a file."""


class CacheChecks(Checker):
    """Watches ``i_pages``; called by truncation and invalidation."""

    name = "checks_cache"
    invariants = (
        (
            "O30",
            "cached-folio-mapped",
            "a locked folio that was unmapped to leave the page cache has no mapping and none whose removal is owed "
            "(unmap_mapping_folio, truncate_cleanup_folio)",
        ),
        (
            "O31",
            "bad-page-cache",
            'a folio that leaves the page cache is not mapped ("Bad page cache", filemap_unaccount_folio)',
        ),
        ("O32", "invalidated-while-mapped", "BUG_ON(folio_mapped(folio)) (folio_unmap_invalidate)"),
        (
            "O33",
            "dirty-folio-removed",
            "a folio that leaves the page cache of a file system is not dirty (filemap_unaccount_folio)",
        ),
        (
            "O34",
            "mapped-behind-end",
            "when truncation is over, and at quiescence, nothing is mapped behind the last page of a file "
            "(truncate_pagecache)",
        ),
        (
            "O35",
            "private-copy-taken",
            "what a process has stored into a private mapping stays when the file's page leaves the cache, except "
            "behind the file's end (unmap_mapping_folio, unmap_mapping_pages)",
        ),
    )

    i_pages: Column
    i_size: Column
    pmd: Column
    pte: Column
    page_head: Cells
    page_order: Cells
    page_index: Cells
    page_mapping: Cells
    pte_count: Cells
    total_map: Cells
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells
    vma_file: Cells
    vma_linked: Cells
    op: Cells

    def bind(self) -> None:
        super().bind()
        self.i_pages.observe(self._cache_changed)

    # -- a folio leaves --------------------------------------------------------------------------------------------

    def _cache_changed(self, slot: int, old: int, new: int, holder: int) -> None:
        """A folio enters the cache, or leaves it."""
        if old and not new:
            self.folio_unmapped(index_of_ref(old), self.m.last_site)

    def folio_unmapped(self, folio: int, where: int) -> None:
        """A locked folio has been unmapped, or leaves the cache: it has no mapping, and no zapper
        that has taken one of its entries still owes the removal. ``where`` relies on that.
        """
        entries, counted = 0, self.counted(folio)
        for page in range(folio, folio + (1 << self.page_order[folio])):
            entries += self.pte_count[page]
        if entries or counted:
            what = f"folio {folio} is mapped by {entries} PTEs, and the removal of {counted - entries} mappings is owed"
            self.violated("O30", what, 0, [("page_mapcount", folio, 0)], accused=where)

    def counted(self, folio: int) -> int:
        """Return how many mappings of the folio are counted: those that there are, and those whose
        removal has not begun.
        """
        return self.total_map[folio]

    def bad_page_cache(self, folio: int) -> None:
        """The kernel finds a folio mapped that is about to leave the cache."""
        self.violated("O31", f"folio {folio} is still mapped when deleted", 0, [("page_mapcount", folio, 0)])

    def invalidated_mapped(self, folio: int) -> None:
        """The kernel finds a folio mapped that it has just unmapped."""
        self.violated("O32", f"folio {folio} is invalidated and still mapped", 0, [("page_mapcount", folio, 0)])

    def dirty_removed(self, folio: int) -> None:
        """The kernel finds a folio dirty that is about to leave the cache."""
        self.violated("O33", f"folio {folio} is dirty when deleted", 0, [("page_dirty", folio, 0)])

    # -- behind the end --------------------------------------------------------------------------------------------

    def truncated(self, file: int) -> None:
        """A file has been truncated, and nobody else changes its size yet."""
        last = -(-self.i_size.view[file] // self.g.page_size)
        for vma in range(self.w.vmas):
            if self.vma_file[vma] != ref_to(file) or not self.vma_linked[vma] & FILE_LINKED:
                continue
            first = max(self.vma_start[vma], self.vma_start[vma] + last - self.vma_pgoff[vma])
            for addr in range(first, self.vma_end[vma]):
                self._behind(file, index_of_ref(self.vma_mm[vma]), addr, last)

    def _behind(self, file: int, mm: int, addr: int, last: int) -> None:
        """Judge what maps page ``addr`` of ``mm``, which lies behind the file's ``last`` pages."""
        table = index_of_ref(self.pmd.view[self.k.pgtable.pmd_index(mm, addr)])
        entry = self.pte.view[self.k.pgtable.ptep(table, addr)] if table >= 0 else 0
        if not entry & PRESENT or entry & SPECIAL:
            return
        folio = self.page_head[entry >> PFN_SHIFT]
        begins_before = self.page_mapping[folio] == file_mapping(file) and self.page_index[folio] < last
        if begins_before and self.may_map_whole(file):
            return
        what = f"page {entry >> PFN_SHIFT} is mapped at page {addr} of mm {mm}, behind the {last} pages of file {file}"
        self.violated("O34", what, 0, [("pte", self.k.pgtable.ptep(table, addr), 0)])

    def may_map_whole(self, file: int) -> bool:
        """Return whether a large folio that begins before the file's end may be mapped behind it
        too: fault-around maps it as a whole (6.9).
        """
        return True

    # -- private copies --------------------------------------------------------------------------------------------

    def copy_taken(self, at: int, who: int) -> None:
        """An anonymous page, or its swap or migration entry, has been taken out of a page table by
        an actor that removes pages of a file. ``at`` is the entry's cell.
        """
        mm, addr = divmod(at, self.w.vpages)
        if self.op[who] == TRUNCATE and self._lies_behind(mm, addr):
            return
        what = f"what mm {mm} has stored at page {addr} of a private mapping is taken with the file's page"
        self.violated("O35", what)

    def _lies_behind(self, mm: int, addr: int) -> bool:
        """Return whether a page of ``mm`` lies behind the end of the file that is mapped there."""
        for vma in range(self.w.vmas):
            mine = self.vma_mm[vma] == ref_to(mm) and self.vma_start[vma] <= addr < self.vma_end[vma]
            if mine and self.vma_file[vma]:
                size = self.i_size.view[index_of_ref(self.vma_file[vma])]
                return addr - self.vma_start[vma] + self.vma_pgoff[vma] >= -(-size // self.g.page_size)
        return False
