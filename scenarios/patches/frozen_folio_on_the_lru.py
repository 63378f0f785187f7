"""A folio that an LRU batch frees, as nothing else refers to it, is put on the LRU all the same.

folio_batch_move_lru() (mm/folio.c, 7.3) goes on with the next folio after folio_ref_freeze(): a
frozen one has no reference that the list could have.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.mm.swap import DRAIN_LOCK, DRAIN_UNLOCK, SET_LRU
from sim.versions.v7_3.swap import Swap73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("dead-folios",)


class FrozenFolioOnTheLru(Swap73):
    component = "swap"

    async def folio_batch_move_lru(self, folios: list[int], flag: Column, where: int) -> None:
        """Each is moved; the dead are freed at the end."""
        await self.m.lock(DRAIN_LOCK, self.lruvec_lock, 0)
        dead = [folio for folio in folios if where == SET_LRU and await self.freezes(folio)]
        for folio in folios:
            await self.m.store(where, flag, folio, 1)
        await self.m.unlock(DRAIN_UNLOCK, self.lruvec_lock, 0)
        for folio in folios:
            if folio not in dead:
                await self._put_lru(folio)
        await self.k.page_alloc.free_unref_folios(dead)
