"""Putting pages (mm/folio.c, mm/swap_state.c, v7.3): an LRU batch that alone refers to a folio
frees it.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.core.ledger import LRU
from sim.core.machine import site
from sim.mm.swap import DRAIN_LOCK, DRAIN_UNLOCK, SET_LRU
from sim.versions.v6_18.swap import Swap618

FREEZE = site("folio_batch_move_lru", "freeze the last reference")


class Swap73(Swap618):
    """As in 6.18 otherwise."""

    async def folio_batch_move_lru(self, folios: list[int], flag: Column, where: int) -> None:
        """As in 6.18; but a folio that is to be added and to which nothing else refers gives up
        that reference, and is freed at the end without having been on the LRU.
        """
        await self.m.lock(DRAIN_LOCK, self.lruvec_lock, 0)
        dead = await self.move_or_freeze(folios, flag, where)
        await self.m.unlock(DRAIN_UNLOCK, self.lruvec_lock, 0)
        await self.put_batch(self.left_in_batch(folios, dead))
        for folio in dead:
            await self._release(folio)
        await self.k.page_alloc.free_unref_folios(dead)

    async def move_or_freeze(self, folios: list[int], flag: Column, where: int) -> list[int]:
        """Set ``flag`` of each folio, but for those that are frozen instead; return these."""
        dead: list[int] = []
        for folio in folios:
            if where == SET_LRU and await self.freezes(folio):
                dead.append(folio)
            else:
                await self.m.store(where, flag, folio, 1)
        return dead

    def left_in_batch(self, folios: list[int], dead: list[int]) -> list[int]:
        """Return those of a batch whose reference is still to be put."""
        return [folio for folio in folios if folio not in dead]

    async def freezes(self, folio: int) -> bool:
        """Take the batch's reference away if it is the only one (folio_ref_freeze); return whether
        it was.
        """
        return await self.m.rmw(FREEZE, self.page_ref, folio, lambda ref: ref - (ref == 1), LRU) == 1
