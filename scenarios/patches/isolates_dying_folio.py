"""Reclaim takes a reference on a folio from the LRU even if it has none left.

isolate_lru_folios() (mm/vmscan.c, 6.9) uses folio_try_get(): a folio whose last reference has been
put stays on the LRU until the one who put it has taken the lruvec's lock.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.vmscan import ISOLATE_GET, ISOLATE_LOCK, ISOLATE_UNLOCK, Vmscan

KERNEL = "6.9"
KIND = "interleaving"


class IsolatesDyingFolio(Vmscan):
    component = "vmscan"

    async def isolate_lru_folio(self) -> int:
        """folio_get(), under the lock."""
        await self.m.lock(ISOLATE_LOCK, self.lruvec_lock, 0)
        folio = self.first_anon_folio()
        if folio >= 0:
            await self.m.add(ISOLATE_GET, self.page_ref, folio, 1, TRANSIENT)
        await self.m.unlock(ISOLATE_UNLOCK, self.lruvec_lock, 0)
        return folio
