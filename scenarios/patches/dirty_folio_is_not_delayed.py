"""A zap of a dirty entry leaves a folio alone that has PG_dirty already.

zap_present_folio_ptes() (mm/memory.c, 6.9) marks it in any case, and delays the removal of its rmap
until the TLBs are flushed: write-out may be about to clear the PG_dirty that was seen.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.core.pte import DIRTY, YOUNG
from sim.mm.memory import Memory, Zap

READ = site("zap_present_folio_ptes", "read PG_dirty")

KERNEL = "6.9"
KIND = "interleaving"


class DirtyFolioIsNotDelayed(Memory):
    component = "memory"

    async def clear_file_ptes(self, zap: Zap, folio: int, addr: int, ptep: int, nr: int) -> bool:
        """An atomic operation and a forced flush are saved where PG_dirty is set."""
        ptent = await self.k.pgtable.get_and_clear_full_ptes(zap.tlb, zap.mm, addr, ptep, nr, self.full(zap))
        delay_rmap = False
        if ptent & DIRTY and not await self.m.load(READ, self.k.page_writeback.page_dirty, folio):
            await self.k.page_writeback.folio_mark_dirty(folio)
            delay_rmap = self.delay_rmap(zap, nr)
            zap.force_flush |= delay_rmap
        if ptent & YOUNG and self.k.mm_types.vma_has_recency(zap.vma):
            await self.k.swap.folio_mark_accessed(zap.tlb, folio)
        return delay_rmap
