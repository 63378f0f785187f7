"""A write fault takes a small folio over that is mapped once, whoever else refers to it.

wp_can_reuse_anon_folio() (mm/memory.c, 7.3) counts references: another process that has unmapped
the folio may not have flushed yet, and then it still has one.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.mm.write_fault import WP_TRYLOCK, WP_UNLOCK
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "interleaving"
GUARDS = ("early-refusal",)


MAPCOUNT = site("wp_can_reuse_anon_folio", "read mapcount")


class ReuseCountsMappings(PageFault73):
    component = "page_fault"

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """folio_mapcount() in place of folio_ref_count()."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        if not await self.m.trylock(WP_TRYLOCK, self.page_locked, folio):
            return False
        sole = await self.m.load(MAPCOUNT, self.page_mapcount, folio) == 1
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return sole
