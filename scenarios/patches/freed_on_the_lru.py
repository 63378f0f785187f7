"""A folio is freed without being taken off the LRU.

__page_cache_release() (mm/swap.c, 6.9) removes it and clears PG_lru, under the lruvec's lock,
before the allocator gets it.
"""

from __future__ import annotations

from sim.mm.swap import Swap

KERNEL = "6.9"
KIND = "sequence"


class FreedOnTheLru(Swap):
    component = "swap"

    async def _release(self, folio: int) -> None:
        """The LRU is taken to know by itself."""
        await self.k.pgtable.release(folio)
        await self.k.huge_memory.folio_undo_large_rmappable(folio)
