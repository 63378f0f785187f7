"""A write fault takes a page over if it has one reference besides the mapping's.

wp_can_reuse_anon_folio() (mm/memory.c, 6.9) drains the LRU batch, whose reference that may be, and
then wants exactly one: the second may as well be the child's mapping.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault
from sim.mm.write_fault import WP_REFS, WP_TRYLOCK, WP_UNLOCK

KERNEL = "6.9"
KIND = "sequence"


class ReuseAllowsLruReference(PageFault):
    component = "page_fault"

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """The drain is saved: up to two references are taken for the mapping's and the batch's."""
        if self.page_order[folio] or not await self.m.trylock(WP_TRYLOCK, self.page_locked, folio):
            return False
        sole = await self.m.load(WP_REFS, self.page_ref, folio) <= 2
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return sole
