"""M09: a delayed rmap removal removes one page of its batch."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class DelayRmapFirstPageOnly(Fault, MmuGather):
    id = "M09"
    component = "mmu_gather"
    scenario = "munmap_vs_writeback"
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def delayed_nr(self, words: list[int], i: int) -> int:
        """The count that follows is not looked at."""
        return 1
