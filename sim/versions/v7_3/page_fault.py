"""Page faults (mm/memory.c, the fault half, v7.3): RSS after the PTEs, and less draining before a
page is reused.
"""

from __future__ import annotations

from sim.mm.mm_types import MM_ANONPAGES
from sim.mm.write_fault import WP_LRU, WP_REFS
from sim.versions.v6_18.page_fault import PageFault618


class PageFault73(PageFault618):
    """Handles faults as 7.3 does."""

    async def map_anon_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """Map the folio, then count it (map_anon_folio_pte_pf, finish_fault)."""
        await self.map_new_folio(cpu, vma, at, ptep, folio, nr, orig)
        await self.add_rss(cpu, self.k.mm_types.mm_of(vma), MM_ANONPAGES, nr)

    async def may_be_sole(self, cpu: int, folio: int) -> bool:
        """Give up at once on more references than this mapping's and an LRU batch's, which a folio
        has that is not on the LRU; drain only if there may be that one.
        """
        batched = not await self.m.load(WP_LRU, self.page_lru, folio)
        if await self.m.load(WP_REFS, self.page_ref, folio) > 1 + batched:
            return False
        if batched:
            await self.k.swap.lru_add_drain(cpu)
        return True
