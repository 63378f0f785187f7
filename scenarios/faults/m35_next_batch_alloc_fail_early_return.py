"""M35: a gather that gets no memory for its next batch returns before it has stored the count of
the entry just added.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class NextBatchAllocFailEarlyReturn(Fault, MmuGather):
    id = "M35"
    component = "mmu_gather"
    scenario = "batch_edges"
    silent = {"s390x": "s390x gathers nothing: it needs no next batch"}

    def queue(self, tlb: int, words: list[int]) -> bool:
        """The page stays, its count does not."""
        full = super().queue(tlb, words)
        if full:
            self.gather_nr[tlb * self.batches + self.gather_active[tlb]] -= len(words) - 1
        return full
