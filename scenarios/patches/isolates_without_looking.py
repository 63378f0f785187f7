"""Reclaim takes a reference on a folio of the LRU whether it has one or not.

isolate_lru_folios() (mm/vmscan.c, 6.9) uses folio_try_get(): the folio's last reference may have
been put, and its free waits for the LRU's lock.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.vmscan import ISOLATE_GET, ISOLATE_LOCK, ISOLATE_UNLOCK, Vmscan

KERNEL = "6.9"
KIND = "interleaving"


class IsolatesWithoutLooking(Vmscan):
    component = "vmscan"

    async def isolate_lru_folio(self) -> int:
        """folio_get()."""
        await self.m.lock(ISOLATE_LOCK, self.lruvec_lock, 0)
        folio = self.first_anon_folio()
        if folio >= 0:
            await self.m.add(ISOLATE_GET, self.page_ref, folio, 1, TRANSIENT)
        await self.m.unlock(ISOLATE_UNLOCK, self.lruvec_lock, 0)
        return folio
