"""The life of a page, and who may have to do with it: O19, O20, O21, I44.

Each page has a bit that is set while it is free. Every step on a word of struct page asks it, reads
too. Three looks at free pages are legal, because whoever makes them knows that the page may be
free:

- a *try-get* (folio_try_get, get_page_unless_zero): it leaves a refcount of 0 alone. ``page_ref``
  and ``page_mapcount`` are judged by I1, I4, I8 and I9 as they change;
- a *peek* at PG_lru (folio_test_lru before a try-get, as in isolate_migratepages_block);
- a *scan* of a list or of the memory map under the list's lock, which is no step of the model.

A page in use may go at any time, too, unless the actor has a reference that keeps it. Those of
mappings do while the actor holds a PTL, those of the page cache while it holds the folio lock. The
ledger does not know whose a transient reference is, so that anybody's will do.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Column, Field, Watch, alike
from sim.core.ledger import GATHER, LRU, TABLE, TRANSIENT

JUDGED_ELSEWHERE = ("page_ref", "page_mapcount")
"""Words whose changes other checkers judge: they fall below what they must be."""

PEEKED = ("page_lru",)
"""Words that may be read of a free page."""

UNREFERENCED = ("page_content",)
"""Words that need no reference: user code reaches the content by a translation, which keeps it.
"""


class FreedChecks(Checker):
    """Watches every word of struct page, and is told of the steps that read one; called as pages
    are allocated, mapped and freed.
    """

    name = "checks_freed"
    invariants = (
        (
            "O19",
            "freed-page-touched",
            "nobody reads or changes a page's words after it was freed and before it is allocated "
            "(page lifetime, include/linux/page_ref.h)",
        ),
        (
            "O20",
            "page-used-without-reference",
            "whoever reads or changes a folio's words has a reference, or the PTL of a mapping, or the folio lock "
            "(folio_get, include/linux/mm.h)",
        ),
        (
            "O21",
            "page-not-cleared",
            "a page that is mapped holds nothing of what its last owner left in it (clear_highpage)",
        ),
        (
            "I44",
            "freed-in-use",
            "a freed folio is off the LRU, unlocked and not under writeback (PAGE_FLAGS_CHECK_AT_FREE)",
        ),
    )

    page_ref: Column
    page_head: Cells
    page_locked: Column
    page_lru: Column
    page_writeback: Column
    page_content: Column
    page_free: Cells
    page_stale: Cells
    ptl_held: Cells
    ledger: Cells

    def fields(self) -> list[Field]:
        return alike(("page_free", "page_stale"), self.w.pages, MACHINE, bits=1)

    def listen(self) -> None:
        """Watch the words of struct page, beside whatever watches them already."""
        for column in self.k.arena.columns.values():
            if not column.field.of_page:
                continue
            if column.name not in PEEKED:
                column.observe_reads(self._look(column))
            if column.name not in JUDGED_ELSEWHERE:
                column.observe(self._watch(column), first=True)
        self.page_content.observe(self._filled)

    def _look(self, column: Column) -> Callable[[int], None]:
        free, touched, name, kept = self.page_free, self._touched, column.name, self._keeper(column)
        ptl_held, m = self.ptl_held, self.m

        def looked(page: int) -> None:
            if free[page]:
                touched(name, page, "read")
            if not ptl_held[m.current]:
                kept(page)

        return looked

    def _watch(self, column: Column) -> Watch:
        free, touched, name, kept = self.page_free, self._touched, column.name, self._keeper(column)
        ptl_held, m = self.ptl_held, self.m

        def changed(page: int, old: int, new: int, holder: int) -> None:
            if free[page]:
                touched(name, page, "changed")
            if not ptl_held[m.current]:
                kept(page)

        return changed

    def _keeper(self, column: Column) -> Callable[[int], None]:
        """Return a function of a page, one of whose words the running actor has read or changed
        without a PTL: it objects unless a reference keeps the page.
        """
        if column.name in UNREFERENCED:
            return lambda page: None
        ledger, pages, heads, refs, m = self.ledger, self.w.pages, self.page_head, self.page_ref.view, self.m
        unkept, name = self._unkept, column.name
        owners, unlocked = self.page_locked.view, 0 if column is self.page_locked else -1

        def kept(page: int) -> None:
            folio = heads[page]
            if (
                ledger[TRANSIENT * pages + folio]
                or owners[folio] == m.current + 1
                or owners[folio] == unlocked
                or not refs[folio]
                or ledger[LRU * pages + folio]
                or ledger[GATHER * pages + folio]
                or ledger[TABLE * pages + folio]
            ):
                return
            unkept(name, page)

        return kept

    def _touched(self, name: str, page: int, how: str) -> None:
        what = f"{name} of page {page} is {how}, which is free"
        self.violated("O19", what, self.k.checks.freed_at(page), [(name, page, 0)])

    def _unkept(self, name: str, page: int) -> None:
        what = f"{name} of page {page} is used, and no reference keeps the page"
        self.violated("O20", what, 0, [(name, page, 0), ("page_ref", self.page_head[page], 0)])

    def freed(self, folio: int, nr: int) -> None:
        """The pages go back to the allocator."""
        for page in range(folio, folio + nr):
            if self.page_lru.view[page] or self.page_locked.view[page] or self.page_writeback.view[page]:
                where = [(column.name, page, 0) for column in (self.page_lru, self.page_locked, self.page_writeback)]
                what = " ".join(f"{name} {self.k.arena[name][page]}" for name, _, _ in where)
                self.violated("I44", f"page {page} is freed with {what}", 0, where)
            self.page_free[page] = 1

    def allocated(self, folio: int, nr: int) -> None:
        """The allocator hands the pages out: what is in them is somebody else's."""
        for page in range(folio, folio + nr):
            self.page_free[page] = 0
            self.page_stale[page] = self.page_content.view[page] != 0

    def _filled(self, page: int, old: int, new: int, holder: int) -> None:
        self.page_stale[page] = 0

    def mapped(self, page: int) -> None:
        """A page whose content nobody has written since its allocation is mapped."""
        what = f"page {page} is mapped and still holds version {self.page_content.view[page]}, of its last owner"
        self.violated("O21", what, self.k.checks.freed_at(page), [("page_content", page, 0)])
