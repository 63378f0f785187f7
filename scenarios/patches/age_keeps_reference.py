"""Reclaim keeps its reference to a folio that turns out to be young.

shrink_active_list() (mm/vmscan.c, 6.9) puts an active folio back on its list, and with it what
isolation has taken; here the branch for young folios goes on with the next one.
"""

from __future__ import annotations

from sim.mm.vmscan import Vmscan

KERNEL = "6.9"
KIND = "sequence"


class AgeKeepsReference(Vmscan):
    component = "vmscan"

    async def _age(self, cpu: int, folio: int) -> None:
        """continue, one line too early."""
        if not await self.k.rmap.folio_referenced(cpu, folio):
            await self.k.swap.folio_put(cpu, folio)
