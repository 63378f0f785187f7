"""A write fault that refuses to reuse a folio early keeps the reference with which it has counted.

wp_can_reuse_anon_folio() (mm/memory.c, 7.3) looks under the PTL, whose mapping keeps the folio, and
takes no reference that an early return would have to put.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.write_fault import WP_GET, WP_LRU, WP_REFS
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("early-refusal",)


class ReuseRefusedKeepsReference(PageFault73):
    component = "page_fault"

    async def may_be_sole(self, cpu: int, folio: int) -> bool:
        """folio_get() first; the early return comes before folio_put()."""
        await self.m.add(WP_GET, self.page_ref, folio, 1, TRANSIENT)
        batched = not await self.m.load(WP_LRU, self.page_lru, folio)
        if await self.m.load(WP_REFS, self.page_ref, folio) > 2 + batched:
            return False
        if batched:
            await self.k.swap.lru_add_drain(cpu)
        await self.k.swap.folio_put(cpu, folio)
        return True
