"""M11: the gather keeps one slot free, so that a pair may have its page in one batch and its count
in the next.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class PairSplitAtBatchEnd(Fault, MmuGather):
    id = "M11"
    component = "mmu_gather"
    scenario = "batch_edges"
    silent = {"s390x": "s390x gathers nothing: a page and its count are never in a batch"}

    def queue(self, tlb: int, words: list[int]) -> bool:
        """Each word goes where there is a slot left for it."""
        for word in words:
            self.append(tlb, [word])
            if not self.free_slots(tlb) and not self.tlb_next_batch(tlb):
                return True
        return False
