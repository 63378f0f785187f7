"""A write fault that finds two references takes the second for an LRU batch's, and drains.

wp_can_reuse_anon_folio() (mm/memory.c, 7.3) allows for the batch only if the folio is not on the
LRU, and counts again after the drain.
"""

from __future__ import annotations

from sim.mm.write_fault import WP_REFS, WP_TRYLOCK, WP_UNLOCK
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("early-refusal",)


class ReuseCountsTwoAsBatched(PageFault73):
    component = "page_fault"

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """The count that has been refused by is the one that is decided by."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        refs = await self.m.load(WP_REFS, self.page_ref, folio)
        if refs > 2 or not await self.m.trylock(WP_TRYLOCK, self.page_locked, folio):
            return False
        if refs == 2:
            await self.k.swap.lru_add_drain(cpu)
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return True
