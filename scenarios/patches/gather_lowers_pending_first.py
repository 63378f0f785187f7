"""A gather stops counting as open before it has flushed.

tlb_finish_mmu() (mm/mmu_gather.c, 6.9) lowers tlb_flush_pending last: a gather that finishes
meanwhile, and found entries of ours cleared already, flushes them for us because it sees the count.
"""

from __future__ import annotations

from sim.mm.mmu_gather import PENDING_DEC, MmuGather

KERNEL = "6.9"
KIND = "interleaving"


class GatherLowersPendingFirst(MmuGather):
    component = "mmu_gather"

    async def tlb_finish_mmu(self, tlb: int) -> None:
        """The count is lowered as soon as it has been looked at."""
        mm = self.gather_mm[tlb]
        if await self.mm_tlb_flush_nested(mm):
            self.flush_everything(tlb)
        await self.m.add(PENDING_DEC, self.mm_tlb_flush_pending, mm, -1)
        await self.tlb_flush_mmu(tlb)
        self.k.checks.gather_finished(tlb)
        self.gather_open[tlb] = 0
