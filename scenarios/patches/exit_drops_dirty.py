"""An mm that is torn down as a whole does not mark the folios of its dirty entries dirty.

zap_present_folio_ptes() (mm/memory.c, 6.9) saves the flush and the delay when nobody runs the mm
any more; folio_mark_dirty() is for those who write the file out.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("I29",)


class ExitDropsDirty(Memory):
    component = "memory"

    async def pass_dirty_on(self, zap: Zap, folio: int, nr: int) -> bool:
        """Nobody can store any more."""
        return False if self.full(zap) else await super().pass_dirty_on(zap, folio, nr)
