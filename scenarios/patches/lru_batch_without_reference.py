"""A folio that waits in a CPU's LRU batch has no reference for that.

folio_add_lru() (mm/swap.c, 6.9) takes one, and the drain puts it.
"""

from __future__ import annotations

from sim.mm.swap import SET_LRU, Swap

KERNEL = "6.9"
KIND = "sequence"


class LruBatchWithoutReference(Swap):
    component = "swap"

    async def folio_add_lru(self, cpu: int, folio: int) -> None:
        """The caller's reference is taken to be enough."""
        if self._add(self.lru_batch, self.lru_nr, cpu, folio) or self.page_order[folio]:
            await self._drain(cpu, self.lru_batch, self.lru_nr, self.page_lru, SET_LRU)
