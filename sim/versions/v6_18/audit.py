"""Whole-arena invariants of what 6.18 keeps besides: to which mms a folio's mappings belong."""

from __future__ import annotations

from typing import Any

from sim.checks.recount import DIFFERS
from sim.core.arena import Column
from sim.core.pte import PFN_SHIFT, PRESENT, SPECIAL
from sim.versions.v6_12.audit import Audit612


class Audit618(Audit612):
    """The quiescent invariants, and one more."""

    invariants = (
        (
            "I13q",
            "mapcount-owner-differs",
            "at quiescence a slot counts no more than its mm maps, and a folio not marked shared is mapped by one mm "
            "(_mm_id)",
        ),
    )

    page_mapped_shared: Column
    page_mm_id: Column
    page_mm_id_mapcount: Column
    vm_refcnt: Column
    vma_attached: Column

    def _mapcounts(self, np: Any) -> None:
        super()._mapcounts(np)
        if (self.page_order.array > 0).any():
            self._owners(np)

    def recount_folios(self, mapped: list[int], mappings: list[int]) -> None:
        """Compare owners too."""
        super().recount_folios(mapped, mappings)
        large = 0
        for folio in range(self.w.pages):
            large += self.page_order[folio] > 0
        if large:
            self.recount_owners()

    def recount_locks(self) -> None:
        """Compare the VMAs' reference counts too."""
        super().recount_locks()
        for vma in range(self.w.vmas):
            if self.vm_refcnt[vma] != self.vma_attached[vma]:
                self.violated("LOCK", DIFFERS)

    def _locks(self, np: Any) -> None:
        super()._locks(np)
        wrong = (self.vm_refcnt.array != self.vma_attached.array).nonzero()[0]
        if len(wrong):
            vma = int(wrong[0])
            state = "attached" if self.vma_attached[vma] else "detached"
            what = f"VMA {vma} is {state} and locked by nobody, and its vm_refcnt is {self.vm_refcnt[vma]}"
            self.violated("LOCK", what, 0, [("vm_refcnt", vma, 0)])

    def recount_owners(self) -> None:
        """Compare the slots of each folio with how often each mm maps it."""
        pages, span = self.w.pages, self.g.ptrs_per_pte
        maps = [0] * (self.w.mms * pages)
        for ptep in range(len(self.pte)):
            mm, entry = self.table_mm[ptep // span] - 1, self.pte[ptep]
            if mm >= 0 and entry & (PRESENT | SPECIAL) == PRESENT:
                maps[mm * pages + self.page_head[entry >> PFN_SHIFT]] += 1
        for folio in range(pages):
            owners, owned = 0, 0
            for mm in range(self.w.mms):
                owners += maps[mm * pages + folio] > 0
            for slot in (2 * folio, 2 * folio + 1):
                mm = self.page_mm_id[slot] - 1
                if mm >= 0:
                    owned = 1
                    if self.page_mm_id_mapcount[slot] > maps[mm * pages + folio]:
                        self.violated("I13q", DIFFERS)
            large, shared = self.page_order[folio] > 0, self.page_mapped_shared[folio]
            if (large and not shared and owners > 1) or (owned and not owners):
                self.violated("I13q", DIFFERS)

    def _owners(self, np: Any) -> None:
        pages = self.w.pages
        maps = np.bincount(self.owners * pages + self.heads, minlength=self.w.mms * pages).reshape(self.w.mms, pages)
        ids, counts = (column.array.reshape(pages, 2) for column in (self.page_mm_id, self.page_mm_id_mapcount))
        mms, shared = (maps > 0).sum(axis=0), self.page_mapped_shared.array
        rows = np.arange(pages)[:, None]
        too_many = (counts > maps[np.maximum(ids - 1, 0), rows]) & (ids > 0)
        wrong = (
            too_many.any(axis=1)
            | ((self.page_order.array > 0) & (shared == 0) & (mms > 1))
            | ((ids > 0).any(axis=1) & (mms == 0))
        )
        if wrong.any():
            folio = int(wrong.nonzero()[0][0])
            state = "shared" if shared[folio] else "exclusive"
            slots = f"slots {ids[folio].tolist()} count {counts[folio].tolist()}"
            what = f"folio {folio}: {state}, {slots}, each mm maps {maps[:, folio].tolist()} of it"
            self.violated("I13q", what, 0, [("page_mapped_shared", folio, 0), ("page_large_mapcount", folio, 0)])
