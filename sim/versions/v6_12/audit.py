"""Whole-arena invariants of what 6.12 keeps besides: the total mapcount, PG_partially_mapped."""

from __future__ import annotations

from typing import Any

from sim.checks.audit import Audit
from sim.checks.recount import DIFFERS
from sim.core.arena import Column


class Audit612(Audit):
    """The quiescent invariants, and two more."""

    invariants: tuple[tuple[str, str, str], ...] = (
        (
            "I10q",
            "large-mapcount-differs",
            "at quiescence _large_mapcount is the number of PTEs that map the folio (folio_large_mapcount)",
        ),
        (
            "I16q",
            "partially-mapped-differs",
            "at quiescence the folios on the deferred-split queue are the partially mapped ones (deferred_split_folio)",
        ),
    )

    page_large_mapcount: Column
    page_partially_mapped: Column

    def _mapcounts(self, np: Any) -> None:
        super()._mapcounts(np)
        large = self.page_order.array > 0
        counted = np.bincount(self.heads, minlength=self.w.pages) * large
        self._compare("I10q", self.page_large_mapcount, counted, "PTEs")
        self._compare("I16q", self.page_partially_mapped, self.page_deferred.array, "on the queue")

    def recount_folios(self, mapped: list[int], mappings: list[int]) -> None:
        """Compare total mapcounts and partially mapped folios too."""
        super().recount_folios(mapped, mappings)
        for folio in range(self.w.pages):
            if self.page_large_mapcount[folio] != (mappings[folio] if self.page_order[folio] > 0 else 0):
                self.violated("I10q", DIFFERS)
            if self.page_partially_mapped[folio] != self.page_deferred[folio]:
                self.violated("I16q", DIFFERS)

    def _compare(self, checker: str, column: Column, expected: Any, what: str) -> None:
        if column.array.tobytes() != expected.tobytes():
            folio = int((column.array != expected).nonzero()[0][0])
            self.violated(
                checker,
                f"folio {folio}: {column.name} {column[folio]}, {what} {int(expected[folio])}",
                0,
                [(column.name, folio, 0)],
            )
