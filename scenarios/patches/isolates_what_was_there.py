"""Reclaim takes the folio that it saw on the LRU before it had the lock.

isolate_lru_folios() (mm/vmscan.c, 6.9) walks the list under lruvec->lru_lock: before that the folio
may have been freed, and have become another's.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.vmscan import ISOLATE_GET, ISOLATE_LOCK, ISOLATE_UNLOCK, Vmscan

KERNEL = "6.9"
KIND = "interleaving"


class IsolatesWhatWasThere(Vmscan):
    component = "vmscan"

    async def isolate_lru_folio(self) -> int:
        """The list is not looked at again."""
        folio = self.first_anon_folio()
        await self.m.lock(ISOLATE_LOCK, self.lruvec_lock, 0)
        if folio >= 0 and not await self.m.rmw(
            ISOLATE_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT
        ):
            folio = -1
        await self.m.unlock(ISOLATE_UNLOCK, self.lruvec_lock, 0)
        return folio
