"""A write fault that refuses to reuse a folio early has locked it already.

wp_can_reuse_anon_folio() (mm/memory.c, 7.3) refuses before folio_trylock(), and needs no unlock on
the way out.
"""

from __future__ import annotations

from sim.mm.write_fault import WP_REFS, WP_TRYLOCK, WP_UNLOCK
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("early-refusal",)


class ReuseRefusedWithFolioLocked(PageFault73):
    component = "page_fault"

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """The lock is taken first."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        if not await self.m.trylock(WP_TRYLOCK, self.page_locked, folio) or not await self.may_be_sole(cpu, folio):
            return False
        sole = await self.m.load(WP_REFS, self.page_ref, folio) == 1
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return sole
