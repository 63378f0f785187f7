"""A removal lowers the total mapcount of a large folio after those of its pages.

__folio_remove_rmap() (mm/rmap.c, 6.10 and later) takes it off _large_mapcount first: whoever asks
folio_mapcount() in between would count mappings that no page has.
"""

from __future__ import annotations

from sim.mm.rmap import DEC
from sim.versions.v6_12.rmap import Rmap612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("total-mapcount",)


class TotalLoweredLast(Rmap612):
    component = "rmap"

    async def folio_remove_rmap_ptes(self, folio: int, page: int, nr: int, vma: int, where: int = DEC) -> None:
        """The pages, then how many are mapped, then the total."""
        last = 0
        for k in range(nr):
            last += await self.m.add(where, self.page_mapcount, page + k, -1) == 0
        if not self.page_order[folio]:
            return
        if last and await self.lower_nr_pages_mapped(folio, last) and self.k.mm_types.folio_test_anon(folio):
            await self.k.huge_memory.deferred_split_folio(folio)
        await self.folio_sub_large_mapcount(folio, nr, self.vma_mm[vma])
