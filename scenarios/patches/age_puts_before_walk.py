"""Reclaim puts its reference to a folio before it has aged it.

shrink_active_list() (mm/vmscan.c, 6.9) keeps what isolation took until folio_referenced() is done:
the walk reads the folio's mapping, index and mapcounts.
"""

from __future__ import annotations

from sim.mm.vmscan import Vmscan

KERNEL = "6.9"
KIND = "interleaving"


class AgePutsBeforeWalk(Vmscan):
    component = "vmscan"

    async def _age(self, cpu: int, folio: int) -> None:
        """The two calls are turned round."""
        await self.k.swap.folio_put(cpu, folio)
        await self.k.rmap.folio_referenced(cpu, folio)
