"""A page table is reclaimed by a zap that has covered a part of it only.

reclaim_pt_is_enabled() (mm/internal.h, 6.18) wants a range of at least PMD_SIZE: the fast path does
not look at entries that the zap has not walked.
"""

from __future__ import annotations

from sim.mm.memory import ZapDetails
from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "sequence"
GUARDS = ("tables-unhooked",)


class ReclaimsPartOfTable(PtReclaim):
    component = "pt_reclaim"

    def reclaim_pt_is_enabled(self, start: int, end: int, details: ZapDetails | None) -> bool:
        """The details are all that is asked."""
        return self.profile.reclaims_pt and details is not None and details.reclaim_pt
