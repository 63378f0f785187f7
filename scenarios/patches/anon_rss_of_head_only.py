"""A fault that maps a large anonymous folio counts one page.

map_anon_folio_pte_pf() (mm/memory.c, 7.3) adds as many as the folio has pages, once the entries
are stored.
"""

from __future__ import annotations

from sim.mm.mm_types import MM_ANONPAGES
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("rss-after-ptes",)


class AnonRssOfHeadOnly(PageFault73):
    component = "page_fault"

    async def map_anon_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """inc_mm_counter() in place of add_mm_counter()."""
        await self.map_new_folio(cpu, vma, at, ptep, folio, nr, orig)
        await self.add_rss(cpu, self.k.mm_types.mm_of(vma), MM_ANONPAGES, 1)
