"""M21: the rmap of a batch of dirty file pages is removed before the TLB flush; single pages wait
for it.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class RmapBeforeFlushBatch(Fault, Memory):
    id = "M21"
    component = "memory"
    scenario = "munmap_vs_writeback"
    depth = 3
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def delay_rmap(self, zap: Zap, nr: int) -> bool:
        """The flush still comes under the PTL; the removal of a batch does not wait for it."""
        if nr == 1:
            return super().delay_rmap(zap, nr)
        zap.force_flush = True
        return False
