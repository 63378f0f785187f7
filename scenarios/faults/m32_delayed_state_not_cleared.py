"""M32: a gather forgets that rmap removals are pending before it makes them."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class DelayedStateNotCleared(Fault, MmuGather):
    id = "M32"
    component = "mmu_gather"
    scenario = "munmap_vs_writeback"
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    async def tlb_flush_rmaps(self, tlb: int, vma: int) -> None:
        """The flag goes first, and what it guards sees it gone."""
        self.gather_delayed_rmap[tlb] = 0
        await super().tlb_flush_rmaps(tlb, vma)
