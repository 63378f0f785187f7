"""Data of files that truncation and hole punching throw away, and data that they must leave: O36 to
O38.

The rules compare the cache with the disk at the steps at which a page leaves the cache and at which
a block is freed. What a mapping still holds is the business of O30 and O34.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Column, Field, alike
from sim.core.component import index_of_ref
from sim.core.operations import number_of

PUNCH = number_of("punch")


class DiscardedChecks(Checker):
    """Watches ``i_pages`` and ``page_writeback``; told of the holes that are punched, and of the
    blocks that are freed.

    ``hole_first`` and ``hole_end`` are the pages [first, end) of the hole that a CPU punches.
    """

    name = "checks_discarded"
    invariants = (
        (
            "O36",
            "data-discarded",
            "a page that leaves the page cache holds what the disk has, unless it lies behind the file's end or in "
            "the hole that is punched (truncate_inode_pages_range, folio_unmap_invalidate)",
        ),
        (
            "O37",
            "removed-under-writeback",
            "a folio that is being written out is in the page cache (folio_start_writeback under the folio lock, "
            "folio_wait_writeback)",
        ),
        (
            "O38",
            "hole-has-data",
            "a block is freed when its page has left the cache, and reads as zeroes when the call is done "
            "(filemap_invalidate_lock, ext4_punch_hole)",
        ),
    )

    i_pages: Column
    i_size: Column
    disk: Column
    page_content: Column
    page_writeback: Column
    page_mapping: Cells
    page_index: Cells
    page_order: Cells
    op: Cells
    hole_first: Cells
    hole_end: Cells

    def fields(self) -> list[Field]:
        return alike(("hole_first", "hole_end"), self.w.cpus, MACHINE)

    def bind(self) -> None:
        super().bind()
        self.i_pages.observe(self._cache_changed)
        self.page_writeback.observe(self._writeback_changed)

    # -- a page leaves ---------------------------------------------------------------------------------------------

    def _cache_changed(self, slot: int, old: int, new: int, holder: int) -> None:
        """A page enters the cache, or leaves it."""
        if not old or new:
            return
        file, index = divmod(slot, self.w.file_pages)
        folio = index_of_ref(old)
        if self.page_writeback.view[folio]:
            where = ("page_writeback", folio, 0)
            self.violated("O37", f"folio {folio} is being written out when deleted", self.last_write(where), [where])
        page = self._page(folio, index)
        held, stored = self.page_content.view[page], self.disk.view[slot]
        if held != stored and not self._thrown_away(file, index):
            what = f"page {page} leaves the cache with data that page {index} of file {file} has nowhere else"
            self.violated("O36", what, 0, [("page_content", page, 0), ("disk", slot, 0)])

    def _thrown_away(self, file: int, index: int) -> bool:
        """Return whether the running actor is to throw away page ``index`` of a file. Of a hole
        that it has not told of nothing is known.
        """
        who = self.m.current
        if who < self.w.cpus and self.op[who] == PUNCH:
            return not self.hole_end[who] or self.hole_first[who] <= index < self.hole_end[who]
        return index >= -(-self.i_size.view[file] // self.g.page_size)

    def _writeback_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        """A write-out begins, or ends."""
        if new and not self.page_mapping[folio]:
            where = ("page_writeback", folio, 0)
            self.violated("O37", f"folio {folio} is written out and has left the cache", 0, [where])

    # -- a hole ----------------------------------------------------------------------------------------------------

    def punching(self, cpu: int, first: int, end: int) -> None:
        """A hole is to be punched over pages [first, end) of a file."""
        self.hole_first[cpu], self.hole_end[cpu] = first, end

    def block_freed(self, file: int, index: int, first: int, end: int) -> None:
        """The block of page ``index`` has been freed, as one of [first, end): no page is there any
        more, but for one of a folio that reaches out of the range, and was not split.
        """
        folio = index_of_ref(self.i_pages.view[self.k.filemap.slot(file, index)])
        if folio >= 0 and first <= self.page_index[folio] and self._behind(folio) <= end:
            what = f"the block of page {index} of file {file} is freed, and page {self._page(folio, index)} is cached"
            self.violated("O38", what, 0, [("i_pages", self.k.filemap.slot(file, index), 0)])

    def hole_made(self, cpu: int, file: int, first: int, end: int) -> None:
        """Pages [first, end) of a file have been thrown away, and faults are still kept off."""
        self.hole_first[cpu] = self.hole_end[cpu] = 0
        for index in range(first, end):
            slot = self.k.filemap.slot(file, index)
            if self.disk.view[slot] and not self.i_pages.view[slot]:
                where = ("disk", slot, 0)
                what = f"page {index} of file {file} is in a hole, and its block has data"
                self.violated("O38", what, self.last_write(where), [where])

    def _behind(self, folio: int) -> int:
        """Return the index behind the last page of a folio."""
        return self.page_index[folio] + (1 << self.page_order[folio])

    def _page(self, folio: int, index: int) -> int:
        """Return the page of a folio that is at ``index`` of its file."""
        return folio + index - self.page_index[folio]
