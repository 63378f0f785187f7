"""A large folio is reused although another process maps it too.

__wp_can_reuse_large_anon_folio() (mm/memory.c, 6.18) asks folio_maybe_mapped_shared() before it
compares mapcount and refcount: the two are equal as well when each of two processes has mapped it.
"""

from __future__ import annotations

from sim.versions.v6_18.page_fault import REUSE_REFS, REUSE_TOTAL, PageFault618

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class SoleOwnerIgnoresShared(PageFault618):
    component = "page_fault"

    async def is_sole_owner(self, folio: int) -> bool:
        """Every reference is a mapping's, and that is taken to be enough."""
        total = await self.m.load(REUSE_TOTAL, self.page_large_mapcount, folio)
        return total == await self.m.load(REUSE_REFS, self.page_ref, folio)
