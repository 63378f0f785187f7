"""Checkers of what 6.12 keeps besides: I10, and more of I11 and O34.

``total_map`` of the other checkers is the sum of a folio's mapcounts per page; 6.12 keeps a total
of its own.
"""

from __future__ import annotations

from sim.checks.cache import CacheChecks
from sim.checks.facade import Checks, replaced
from sim.checks.references import ReferenceChecks
from sim.core.arena import Column


class ReferenceChecks612(ReferenceChecks):
    """Also compares the two totals, whichever of them has changed."""

    invariants = (
        (
            "I10",
            "large-mapcount-ahead",
            "_large_mapcount is never above the sum of the page mapcounts (__folio_remove_rmap, __folio_add_rmap)",
        ),
    )

    page_large_mapcount: Column

    def bind(self) -> None:
        super().bind()
        self.page_large_mapcount.observe(self._large_changed)

    def total_changed(self, folio: int, delta: int) -> None:
        super().total_changed(folio, delta)
        if delta < 0:
            self._compare(folio, self.page_large_mapcount.view[folio])

    def _large_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        if new < 0:
            self.k.checks.entries.violated(
                "I9", f"the large mapcount of folio {folio} fell to {new}", 0, [("page_large_mapcount", folio, 0)]
            )
        self._compare(folio, new)

    def _compare(self, folio: int, total: int) -> None:
        if total > self.total_map[folio]:
            what = f"folio {folio}: large mapcount {total}, and its pages' mapcounts are {self.total_map[folio]}"
            self.violated("I10", what, 0, [("page_large_mapcount", folio, 0)])


class CacheChecks612(CacheChecks):
    """Knows that a removal begins with the total: what it has yet to take off the pages' own counts
    is no mapping any more; and that faults look at i_size before they map a folio as a whole.
    """

    page_large_mapcount: Column

    def may_map_whole(self, file: int) -> bool:
        return self.k.filemap.shmem_mapping(file)

    def counted(self, folio: int) -> int:
        return self.page_large_mapcount.view[folio] if self.page_order[folio] else self.total_map[folio]


class Checks612(Checks):
    """The events, with these checkers among those that hear of them."""

    groups = replaced(Checks.groups, ReferenceChecks612, CacheChecks612)

    page_large_mapcount: Column
    page_partially_mapped: Column

    def page_freed(self, folio: int) -> None:
        """A freed folio has no total left either, and is not partially mapped."""
        super().page_freed(folio)
        total, partially = self.page_large_mapcount.view[folio], self.page_partially_mapped.view[folio]
        if total or partially:
            self.violated("I11", f"folio {folio} is freed with large mapcount {total}, partially mapped {partially}")
