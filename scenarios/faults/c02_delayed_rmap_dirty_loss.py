"""C02: the rmap of a dirty file page is removed before the TLB flush, as before 6.2
(5df397dec7c4).
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class DelayedRmapDirtyLoss(Fault, Memory):
    id = "C02"
    component = "memory"
    scenario = "munmap_vs_writeback"
    depth = 3
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def delay_rmap(self, zap: Zap, nr: int) -> bool:
        """The flush still comes under the PTL; the removal does not wait for it."""
        zap.force_flush = True
        return False
