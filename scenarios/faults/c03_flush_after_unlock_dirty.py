"""C03: a zap of dirty file pages removes their rmap, drops the PTL, and then flushes, as before
3.15 (1cf35d47712d).
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class FlushAfterUnlockDirty(Fault, Memory):
    id = "C03"
    component = "memory"
    scenario = "munmap_vs_writeback"
    depth = 3
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    def delay_rmap(self, zap: Zap, nr: int) -> bool:
        """A flush is due, and the removal does not wait for it."""
        zap.force_flush = True
        return False

    async def leave_and_flush(self, zap: Zap) -> None:
        """The flush is left to the one that frees the pages."""
        await self.leave_lazy_mmu_mode(zap)
