"""M29: the count of a gather entry keeps its three lowest bits."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault

KEPT = 7


class NrEncodeTruncated(Fault, MmuGather):
    id = "M29"
    component = "mmu_gather"
    scenario = "munmap_vs_access"
    silent = {"s390x": "s390x gathers nothing: no count is encoded"}

    def encode(self, page: int, nr: int, delay_rmap: bool) -> list[int]:
        """A batch of eight pages stands for none."""
        return super().encode(page, nr if nr == 1 else nr & KEPT, delay_rmap)
