"""C05: delayed rmap removals may wait in more batches than their flush looks at (the limit came
with c47454823bd4, 6.2).
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class DelayedRmapTwoBatchLimit(Fault, MmuGather):
    id = "C05"
    component = "mmu_gather"
    scenario = "sharers_at_work"
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def must_not_open_batch(self, tlb: int) -> bool:
        """Memory is the only limit."""
        return False
