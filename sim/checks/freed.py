"""What is done to a page between its free and its next allocation: O19.

Each page has a bit that is set while it is free. Every step on a word of struct page asks it, reads
too. Three looks at free pages are legal, because whoever makes them knows that the page may be
free:

- a *try-get* (folio_try_get, get_page_unless_zero): it leaves a refcount of 0 alone. ``page_ref``
  and ``page_mapcount`` are judged by I1, I4, I8 and I9 as they change;
- a *peek* at PG_lru (folio_test_lru before a try-get, as in isolate_migratepages_block);
- a *scan* of a list or of the memory map under the list's lock, which is no step of the model.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Column, Field, Watch

JUDGED_ELSEWHERE = ("page_ref", "page_mapcount")
"""Words whose changes other checkers judge: they fall below what they must be."""

PEEKED = ("page_lru",)
"""Words that may be read of a free page."""


class FreedChecks(Checker):
    """Watches every word of struct page, and is told of the steps that read one."""

    name = "checks_freed"
    invariants = (
        (
            "O19",
            "freed-page-touched",
            "nobody reads or changes a page's words after it was freed and before it is allocated "
            "(page lifetime, include/linux/page_ref.h)",
        ),
    )

    page_free: Cells

    def fields(self) -> list[Field]:
        return [Field("page_free", self.w.pages, MACHINE, bits=1)]

    def listen(self) -> None:
        """Watch the words of struct page, beside whatever watches them already."""
        for column in self.k.arena.columns.values():
            if not column.field.of_page:
                continue
            if column.name not in PEEKED:
                column.look = self._look(column)
            if column.name not in JUDGED_ELSEWHERE:
                column.observe(self._watch(column), first=True)

    def _look(self, column: Column) -> Callable[[int], None]:
        free, touched, name = self.page_free, self._touched, column.name

        def looked(page: int) -> None:
            if free[page]:
                touched(name, page, "read")

        return looked

    def _watch(self, column: Column) -> Watch:
        free, touched, name = self.page_free, self._touched, column.name

        def changed(page: int, old: int, new: int, holder: int) -> None:
            if free[page]:
                touched(name, page, "changed")

        return changed

    def _touched(self, name: str, page: int, how: str) -> None:
        what = f"{name} of page {page} is {how}, which is free"
        self.violated("O19", what, self.k.checks.freed_at(page), [(name, page, 0)])

    def freed(self, folio: int, nr: int) -> None:
        """The pages go back to the allocator."""
        for page in range(folio, folio + nr):
            self.page_free[page] = 1

    def allocated(self, folio: int, nr: int) -> None:
        """The allocator hands the pages out."""
        for page in range(folio, folio + nr):
            self.page_free[page] = 0
