"""Checkers of what 6.18 keeps besides: I10, I13, and more of I11.

``total_map`` of the other checkers is the sum of a folio's mapcounts per page; 6.18 keeps a total
of its own.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.cache import CacheChecks
from sim.checks.facade import Checks, replaced
from sim.checks.references import ReferenceChecks
from sim.core.arena import Cells, Column


class ReferenceChecks618(ReferenceChecks):
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


class CacheChecks618(CacheChecks):
    """Knows that a removal begins with the total: what it has yet to take off the pages' own counts
    is no mapping any more.
    """

    page_large_mapcount: Column

    def counted(self, folio: int) -> int:
        return self.page_large_mapcount.view[folio] if self.page_order[folio] else self.total_map[folio]


class OwnerChecks(Checker):
    """Judges the two slots and the flag whenever their lock is dropped."""

    name = "checks_owners"
    invariants = (
        (
            "I13",
            "mapcount-owner-wrong",
            "a free slot counts nothing, and a folio not marked shared is all of one slot's mm "
            "(folio_sub_large_mapcount)",
        ),
    )

    page_mm_ids_lock: Column
    page_large_mapcount: Column
    page_mapped_shared: Column
    page_mm_id: Cells
    page_mm_id_mapcount: Cells

    def bind(self) -> None:
        super().bind()
        self.page_mm_ids_lock.observe(self._lock_changed)

    def _lock_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        if new:
            return
        ids = [self.page_mm_id[2 * folio + k] for k in (0, 1)]
        counts = [self.page_mm_id_mapcount[2 * folio + k] for k in (0, 1)]
        total, shared = self.page_large_mapcount.view[folio], self.page_mapped_shared.view[folio]
        wrong = (
            any((not mm_id) != (count == 0) or count < 0 for mm_id, count in zip(ids, counts, strict=True))
            or sum(counts) > total
            or (not shared and total not in counts)
            or (shared and not total)
        )
        if wrong:
            slots, state = list(zip(ids, counts, strict=True)), "shared" if shared else "exclusive"
            what = f"folio {folio}: {total} mappings, slots {slots}, {state}"
            self.violated("I13", what, 0, [("page_mapped_shared", folio, 0), ("page_large_mapcount", folio, 0)])


class Checks618(Checks):
    """The events, with these checkers among those that hear of them."""

    groups = replaced(Checks.groups, ReferenceChecks618, CacheChecks618, OwnerChecks)

    page_large_mapcount: Column
    page_partially_mapped: Column
    page_mm_id: Cells

    def page_freed(self, folio: int) -> None:
        """A freed folio has no total and no owner left either, and is not partially mapped."""
        super().page_freed(folio)
        columns = (
            self.page_large_mapcount.view,
            self.page_mm_id[2 * folio : 2 * folio + 2],
            self.page_partially_mapped.view,
        )
        if columns[0][folio] or any(columns[1]) or columns[2][folio]:
            what = (
                f"large mapcount {columns[0][folio]}, owners {list(columns[1])}, partially mapped {columns[2][folio]}"
            )
            self.violated("I11", f"folio {folio} is freed with {what}")
