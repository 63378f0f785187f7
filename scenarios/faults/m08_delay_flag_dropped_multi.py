"""M08: the delayed-rmap flag of a gather word is lost when a count follows."""

from __future__ import annotations

from sim.mm.mmu_gather import ENCODED_PAGE_BIT_NR_PAGES_NEXT, MmuGather
from stress.fault import Fault


class DelayFlagDroppedMulti(Fault, MmuGather):
    id = "M08"
    component = "mmu_gather"
    scenario = "munmap_vs_writeback"
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def flags_with_count(self, flags: int) -> int:
        """Assigned, where it should be added."""
        return ENCODED_PAGE_BIT_NR_PAGES_NEXT
