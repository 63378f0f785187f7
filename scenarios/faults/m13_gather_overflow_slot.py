"""M13: a batch of a gather is taken to be full one slot too late."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class GatherOverflowSlot(Fault, MmuGather):
    id = "M13"
    component = "mmu_gather"
    scenario = "batch_edges"
    silent = {"s390x": "s390x gathers nothing: no batch is ever full"}

    def batch_is_full(self, tlb: int) -> bool:
        """As when an entry had one word."""
        return self.free_slots(tlb) < 1
