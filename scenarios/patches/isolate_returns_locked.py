"""isolate_lru_folios() returns early, the lruvec's lock held, if there is nothing to isolate.

The next one who wants the lock, for a folio that is freed or for a batch, waits for ever.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.vmscan import ISOLATE_GET, ISOLATE_LOCK, ISOLATE_UNLOCK, Vmscan

KERNEL = "6.9"
KIND = "sequence"


class IsolateReturnsLocked(Vmscan):
    component = "vmscan"

    async def isolate_lru_folio(self) -> int:
        """The early return comes with the lock held."""
        await self.m.lock(ISOLATE_LOCK, self.lruvec_lock, 0)
        folio = self.first_anon_folio()
        if folio < 0:
            return -1
        if not await self.m.rmw(ISOLATE_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT):
            folio = -1
        await self.m.unlock(ISOLATE_UNLOCK, self.lruvec_lock, 0)
        return folio
