"""A write fault takes a small folio over on its first look at the references.

wp_can_reuse_anon_folio() (mm/memory.c, 7.3) refuses early by one count, which may have a
reference of an LRU batch in it, and decides by another, after the drain and under the folio lock.
"""

from __future__ import annotations

from sim.mm.write_fault import WP_TRYLOCK, WP_UNLOCK
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "interleaving"
GUARDS = ("early-refusal",)


class ReuseTrustsFirstCount(PageFault73):
    component = "page_fault"

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """What has not been refused early is not counted again."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        if not await self.may_be_sole(cpu, folio) or not await self.m.trylock(WP_TRYLOCK, self.page_locked, folio):
            return False
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return True
