"""Checkers of what 6.18 keeps besides: I13, and more of I11."""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.facade import replaced
from sim.core.arena import Cells, Column
from sim.versions.v6_12.checks import Checks612


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


class Checks618(Checks612):
    """The events, with this checker among those that hear of them."""

    groups = replaced(Checks612.groups, OwnerChecks)

    page_mm_id: Cells

    def page_freed(self, folio: int) -> None:
        """A freed folio has no owner left either."""
        super().page_freed(folio)
        owners = self.page_mm_id[2 * folio : 2 * folio + 2].tolist()
        if any(owners):
            self.violated("I11", f"folio {folio} is freed with owners {owners}")
