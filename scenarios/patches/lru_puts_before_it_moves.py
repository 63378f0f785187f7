"""A batch of folios puts its references before it has moved the folios.

folio_batch_move_lru() (mm/swap.c, 6.9) puts them last: until then they keep the folios from being
freed, with their flags about to be set.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.mm.swap import Swap

KERNEL = "6.9"
KIND = "interleaving"


class LruPutsBeforeItMoves(Swap):
    component = "swap"

    async def folio_batch_move_lru(self, folios: list[int], flag: Column, where: int) -> None:
        """The puts are made first, one behind the other."""
        await self.put_batch(folios)
        await self.move_folios(folios, flag, where)
