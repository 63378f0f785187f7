"""A folio that an LRU batch has frozen stays in the batch, whose references are put at the end.

folio_batch_move_lru() (mm/folio.c, 7.3) takes it out, so that folios_put() passes over its slot:
folio_ref_freeze() has taken the batch's reference already.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.mm.swap import DRAIN_LOCK, DRAIN_UNLOCK, SET_LRU
from sim.versions.v7_3.swap import Swap73

KERNEL = "7.3-flushfirst"
KIND = "sequence"


class DeadFolioStaysInBatch(Swap73):
    component = "swap"

    async def folio_batch_move_lru(self, folios: list[int], flag: Column, where: int) -> None:
        """The dead are freed beside the others."""
        dead: list[int] = []
        await self.m.lock(DRAIN_LOCK, self.lruvec_lock, 0)
        for folio in folios:
            if where == SET_LRU and await self.freezes(folio):
                dead.append(folio)
            else:
                await self.m.store(where, flag, folio, 1)
        await self.m.unlock(DRAIN_UNLOCK, self.lruvec_lock, 0)
        for folio in folios:
            await self._put_lru(folio)
        for folio in dead:
            await self._release(folio)
        await self.k.page_alloc.free_unref_folios(dead)
