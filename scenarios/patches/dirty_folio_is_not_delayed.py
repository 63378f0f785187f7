"""A zap of a dirty entry leaves a folio alone that has PG_dirty already.

zap_present_folio_ptes() (mm/memory.c, 6.9) marks it in any case, and delays the removal of its rmap
until the TLBs are flushed: write-out may be about to clear the PG_dirty that was seen.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.mm.memory import Memory, Zap

READ = site("zap_present_folio_ptes", "read PG_dirty")

KERNEL = "6.9"
KIND = "interleaving"


class DirtyFolioIsNotDelayed(Memory):
    component = "memory"

    async def pass_dirty_on(self, zap: Zap, folio: int, nr: int) -> bool:
        """An atomic operation and a forced flush are saved where PG_dirty is set."""
        if await self.m.load(READ, self.k.page_writeback.page_dirty, folio):
            return False
        return await super().pass_dirty_on(zap, folio, nr)
