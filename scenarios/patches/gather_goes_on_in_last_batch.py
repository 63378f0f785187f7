"""A gather that has freed its pages goes on in the batch that was active.

tlb_batch_pages_flush() (mm/mmu_gather.c, 6.18) begins again with the on-stack batch: it frees
batches from there on, up to the first that is empty.
"""

from __future__ import annotations

from sim.versions.v6_18.mmu_gather import MmuGather618

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class GatherGoesOnInLastBatch(MmuGather618):
    component = "mmu_gather"

    async def tlb_batch_pages_flush(self, tlb: int) -> None:
        """tlb->active stays."""
        for batch in range(self.batches):
            words = self.batch_words(tlb, batch)
            if not words:
                break
            await self.tlb_batch_free_encoded_pages(tlb, batch, words)
