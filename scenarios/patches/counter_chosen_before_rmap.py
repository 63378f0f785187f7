"""The counter of a fresh folio is chosen before the folio is anonymous.

map_anon_folio_pte_pf() (mm/memory.c, 7.3) counts MM_ANONPAGES by name: mm_counter() takes a folio
for one of a file until folio_add_new_anon_rmap() has given it its mapping.
"""

from __future__ import annotations

from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("rss-after-ptes",)


class CounterChosenBeforeRmap(PageFault73):
    component = "page_fault"

    async def map_anon_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """mm_counter(), asked first and used last."""
        member = self.k.mm_types.mm_counter(folio)
        await self.map_new_folio(cpu, vma, at, ptep, folio, nr, orig)
        await self.add_rss(cpu, self.k.mm_types.mm_of(vma), member, nr)
