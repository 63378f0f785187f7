"""M17: the zap goes on although the gather has said that it is full."""

from __future__ import annotations

from sim.mm.memory import Memory, Zap, ZapBatch
from stress.fault import Fault


class ForceBreakLost(Fault, Memory):
    id = "M17"
    component = "memory"
    scenario = "batch_edges"
    silent = {"s390x": "s390x gathers nothing: its gather is never full"}

    async def queue_pages(self, zap: Zap, batch: ZapBatch) -> None:
        """What the gather answers is not looked at."""
        await self.k.mmu_gather.tlb_remove_folio_pages(zap.tlb, batch.page, batch.nr, batch.delay_rmap)
