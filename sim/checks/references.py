"""References: I1, I4, I15, O11.

The ledger judges who holds a reference (I3, :mod:`sim.core.ledger`); here the refcount itself is
judged, and what a folio must have lost when it is freed.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import Cells, Column
from sim.core.ledger import GATHER
from sim.core.step import site_of
from sim.mm.page_alloc import SET_REFCOUNT


class ReferenceChecks(Checker):
    """Watches ``page_ref``."""

    name = "checks_references"
    invariants: tuple[tuple[str, str, str], ...] = (
        (
            "I1",
            "refcount-negative",
            "a refcount is never negative, and a free page has no user (include/linux/page_ref.h)",
        ),
        (
            "I4",
            "refcount-below-mapcount",
            "a folio's refcount is never below its total mapcount (order of operations in mm/rmap.c and mm/memory.c)",
        ),
        ("I15", "freed-on-deferred-list", "a freed folio is on no deferred-split list (free_tail_page_prepare)"),
        (
            "O11",
            "anon-vma-gone",
            "the anon_vma of a mapped folio, and each VMA in it, is alive while a walk can use it "
            "(folio_lock_anon_vma_read)",
        ),
    )

    page_ref: Column
    page_order: Cells
    page_deferred: Column
    total_map: Cells
    anon_vma_users: Cells
    vma_linked: Cells

    def bind(self) -> None:
        super().bind()
        self.page_ref.observe(self._ref_changed)

    def _ref_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        self.k.ledger.change(holder, folio, new - old)
        if new < old:
            if holder == GATHER:
                self.k.checks.gather.put(self.m.current, old - new)
            if new < self.total_map[folio]:
                self.violated(
                    "I4",
                    f"folio {folio}: refcount {old} -> {new}, total mapcount {self.total_map[folio]}",
                    self._last_mapped(folio),
                    [("page_ref", folio, 0)],
                )
            if new == 0:
                self.k.checks.tlb.freeing(folio, 1 << self.page_order[folio])
            elif new < 0:
                self.violated("I1", f"the refcount of folio {folio} fell to {new}", 0, [("page_ref", folio, 0)])
        elif new > old == 0:
            self._first_reference(folio)

    def _first_reference(self, folio: int) -> None:
        """The refcount rises from 0: only the allocator may do that."""
        if site_of(self.m.last_site) == site_of(SET_REFCOUNT):
            self.k.checks.freed.allocated(folio, 1 << self.page_order[folio])
        else:
            self.violated(
                "I1",
                f"a reference is taken on folio {folio}, which has none",
                self.k.checks.freed_at(folio),
                [("page_ref", folio, 0)],
            )

    def total_changed(self, folio: int, delta: int) -> None:
        """A mapcount of the folio changed."""
        total = self.total_map[folio] = self.total_map[folio] + delta
        if total > self.page_ref.view[folio]:
            self.violated(
                "I4",
                f"folio {folio}: refcount {self.page_ref.view[folio]}, total mapcount {total}",
                self.last_write(("page_ref", folio, 0)),
                [("page_ref", folio, 0)],
            )

    def _last_mapped(self, folio: int) -> int:
        """Return the step that last changed a mapcount of the folio, as a site code, or 0."""
        pages = range(folio, folio + (1 << self.page_order[folio]))
        return self.last_write(*(("page_mapcount", page, 0) for page in pages))

    def freed(self, folio: int) -> None:
        """A folio goes back to the allocator."""
        if self.page_deferred.view[folio]:
            self.violated("I15", f"folio {folio} is freed on the deferred-split list")

    def vma_freed(self, vma: int) -> None:
        """A VMA is given up: no rmap walk finds it any more."""
        if self.vma_linked[vma]:
            self.violated("O11", f"VMA {vma} is freed, and rmap walks still find it")

    def walked(self, folio: int) -> None:
        """A rmap walk trusts the folio's anon_vma."""
        anon_vma = self.k.mm_types.mapping_of(folio)
        if self.k.mm_types.folio_test_anon(folio) and not self.anon_vma_users[anon_vma]:
            self.violated("O11", f"folio {folio} is mapped and its anon_vma {anon_vma} is free")
