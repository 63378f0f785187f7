"""Reverse map (include/linux/rmap.h, mm/rmap.c, v6.12): a total mapcount, and counters once a
batch.

``page_large_mapcount`` of a large folio's head is the number of all its mappings (the kernel's
``_large_mapcount`` plus one). Every removal lowers it before the pages' own counts, every addition
raises it after them.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column, Field
from sim.core.component import ref_to
from sim.core.machine import site
from sim.mm.rmap import DEC, INC, INC_MAPPED, Rmap

SET_TOTAL = site("folio_set_large_mapcount", "set large mapcount")
ADD_TOTAL = site("folio_add_rmap_ptes", "raise large mapcount")
SUB_TOTAL = site("folio_remove_rmap_ptes", "lower large mapcount")
STILL_MAPPED = site("folio_remove_rmap_ptes", "read nr_pages_mapped")
PARTIALLY = site("folio_remove_rmap_ptes", "read partially_mapped")
MAPPED = site("folio_mapped", "read large mapcount")


class Rmap612(Rmap):
    """Mapcounts of large folios with a total."""

    page_large_mapcount: Column
    page_partially_mapped: Column
    vma_mm: Cells

    def fields(self) -> list[Field]:
        return [*super().fields(), Field("page_large_mapcount", self.w.pages, word=32, of_page=True)]

    async def folio_remove_rmap_ptes(self, folio: int, page: int, nr: int, vma: int, where: int = DEC) -> None:
        """Lower the total first, then the pages' counts, then in one step how many pages are
        mapped; queue a folio that is left mapped in part.
        """
        if not self.page_order[folio]:
            await self.m.add(where, self.page_mapcount, page, -1)
            return
        await self.folio_sub_large_mapcount(folio, nr, self.vma_mm[vma])
        last = 0
        for k in range(nr):
            last += await self.m.add(where, self.page_mapcount, page + k, -1) == 0
        partially_mapped = last and await self.lower_nr_pages_mapped(folio, last)
        if (
            partially_mapped
            and self.k.mm_types.folio_test_anon(folio)
            and not await self.m.load(PARTIALLY, self.page_partially_mapped, folio)
        ):
            await self.k.huge_memory.deferred_split_folio(folio)

    async def lower_nr_pages_mapped(self, folio: int, last: int) -> bool:
        """Note that ``last`` pages have lost their last mapping; return whether others have one.

        That is read in a step of its own, so two removers may both see none.
        """
        await self.sub_nr_pages_mapped(folio, last)
        return await self.m.load(STILL_MAPPED, self.page_nr_pages_mapped, folio) > 0

    async def folio_add_file_rmap_ptes(self, folio: int, page: int, nr: int, vma: int) -> None:
        """Count the pages first, then how many of them are mapped; raise the total last."""
        first = 0
        for k in range(nr):
            first += await self.m.add(INC, self.page_mapcount, page + k, 1) == 1
        if not self.page_order[folio]:
            return
        if first:
            await self.m.add(INC_MAPPED, self.page_nr_pages_mapped, folio, first)
        await self.folio_add_large_mapcount(folio, nr, self.vma_mm[vma])

    async def count_new_folio(self, folio: int, nr: int, vma: int) -> None:
        """Set the total of a fresh large folio, which is still private."""
        await self.m.store(SET_TOTAL, self.page_large_mapcount, folio, nr)
        await super().count_new_folio(folio, nr, vma)

    async def folio_dup_file_rmap_ptes(self, folio: int, page: int, nr: int, dst_mm: int) -> None:
        """Count the pages, then raise the total."""
        await super().folio_dup_file_rmap_ptes(folio, page, nr, dst_mm)
        if self.page_order[folio]:
            await self.folio_add_large_mapcount(folio, nr, ref_to(dst_mm))

    async def folio_try_dup_anon_rmap_ptes(self, folio: int, page: int, nr: int, dst_mm: int) -> bool:
        """Count the pages, which stop being exclusive, then raise the total."""
        await super().folio_try_dup_anon_rmap_ptes(folio, page, nr, dst_mm)
        if self.page_order[folio]:
            await self.folio_add_large_mapcount(folio, nr, ref_to(dst_mm))
        return True

    async def folio_mapped(self, folio: int) -> bool:
        """Return whether anything maps ``folio``: a large one by its total."""
        if not self.page_order[folio]:
            return await super().folio_mapped(folio)
        return await self.m.load(MAPPED, self.page_large_mapcount, folio) > 0

    # -- the total -------------------------------------------------------------------------------------------------

    async def folio_add_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """Account for ``diff`` more mappings of ``folio`` by the mm ``mm_id``: one atomic addition,
        whoever maps it.
        """
        await self.m.add(ADD_TOTAL, self.page_large_mapcount, folio, diff)

    async def folio_sub_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """Account for ``diff`` mappings fewer of ``folio`` by the mm ``mm_id``."""
        await self.m.add(SUB_TOTAL, self.page_large_mapcount, folio, -diff)
