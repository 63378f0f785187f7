"""A file page that is mapped already is counted again among the folio's mapped pages.

__folio_add_rmap() (mm/rmap.c, 6.9) raises _nr_pages_mapped only for a page whose mapcount was -1.
"""

from __future__ import annotations

from sim.mm.rmap import INC, INC_MAPPED, Rmap

KERNEL = "6.9"
KIND = "sequence"


class MappedPagesCountedTwice(Rmap):
    component = "rmap"

    async def folio_add_file_rmap_ptes(self, folio: int, page: int, nr: int, vma: int) -> None:
        """The batch is added in one go."""
        for k in range(nr):
            await self.m.add(INC, self.page_mapcount, page + k, 1)
        if self.page_order[folio]:
            await self.m.add(INC_MAPPED, self.page_nr_pages_mapped, folio, nr)
