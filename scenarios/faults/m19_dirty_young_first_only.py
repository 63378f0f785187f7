"""M19: the young and dirty bits of a batch are taken from its first PTE."""

from __future__ import annotations

from sim.mm.pgtable import Pgtable
from stress.fault import Fault


class DirtyYoungFirstOnly(Fault, Pgtable):
    id = "M19"
    component = "pgtable"
    scenario = "munmap_vs_writeback"

    def collect_access_bits(self, pte: int, later: int) -> int:
        """What later entries held is forgotten."""
        return pte
