"""Reverse map (include/linux/rmap.h, mm/rmap.c, v6.18): the total mapcount, whose mms it belongs
to, and counters once a batch.

``page_large_mapcount`` of a large folio's head is the number of all its mappings (the kernel's
``_large_mapcount`` plus one). It changes under a bit lock, ``page_mm_ids_lock``, together with two
slots that say how many of the mappings are of which mm (``_mm_id``, ``_mm_id_mapcount``, again plus
one) and a flag that says that more than one mm may map the folio. The flag may be stale when it is
set, and never when it is clear. Every removal lowers the total before the pages' own counts, every
addition raises it after them.

Lock order: PTL, ``page_mm_ids_lock`` (a leaf). An mm's id is its number plus one; ids are not
handed out again.
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, bits_for
from sim.core.component import ref_to
from sim.core.machine import site
from sim.mm.rmap import DEC, INC, INC_MAPPED, Rmap

LOCK = site("folio_lock_large_mapcount", "lock mm ids")
UNLOCK = site("folio_unlock_large_mapcount", "unlock mm ids")
SET_TOTAL = site("folio_set_large_mapcount", "set large mapcount")
ADD_READ = site("folio_add_large_mapcount", "read large mapcount")
ADD_WRITE = site("folio_add_large_mapcount", "raise large mapcount")
ADD_SHARED = site("folio_add_large_mapcount", "set mapped shared")
SUB_READ = site("folio_sub_large_mapcount", "read large mapcount")
SUB_WRITE = site("folio_sub_large_mapcount", "lower large mapcount")
SUB_EXCLUSIVE = site("folio_sub_large_mapcount", "clear mapped shared")
STILL_MAPPED = site("folio_remove_rmap_ptes", "read nr_pages_mapped")
PARTIALLY = site("folio_remove_rmap_ptes", "read partially_mapped")
MAPPED = site("folio_mapped", "read large mapcount")


class Rmap618(Rmap):
    """Mapcounts of large folios with a total and MM ids (CONFIG_MM_ID)."""

    page_large_mapcount: Column
    page_mapped_shared: Column
    page_mm_ids_lock: Column
    page_mm_id: Cells
    page_mm_id_mapcount: Cells
    page_partially_mapped: Column
    vma_mm: Cells

    def fields(self) -> list[Field]:
        pages = self.w.pages
        return [
            *super().fields(),
            Field("page_large_mapcount", pages, of_page=True),
            Field("page_mapped_shared", pages, bits=1, of_page=True),
            Field("page_mm_ids_lock", pages, lock=SPIN, bits=bits_for(self.k.slots), of_page=True),
            Field("page_mm_id", 2 * pages, PRIVATE, bits=bits_for(self.w.mms)),
            Field("page_mm_id_mapcount", 2 * pages, PRIVATE),
        ]

    # -- removing and adding mappings ------------------------------------------------------------------------------

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
        """Give the first slot to the mm that makes the folio; the folio is still private, so no
        lock is taken (folio_set_large_mapcount).
        """
        self.page_mm_id[2 * folio], self.page_mm_id_mapcount[2 * folio] = self.vma_mm[vma], nr
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

    # -- the total and its owners ----------------------------------------------------------------------------------

    async def folio_add_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """Account for ``diff`` more mappings of ``folio`` by the mm ``mm_id``."""
        await self.m.lock(LOCK, self.page_mm_ids_lock, folio)
        total = await self.m.load(ADD_READ, self.page_large_mapcount, folio) + diff
        await self.m.store(ADD_WRITE, self.page_large_mapcount, folio, total)
        if self.attribute(folio, diff, mm_id, total):
            await self.m.store(ADD_SHARED, self.page_mapped_shared, folio, 1)
        await self.m.unlock(UNLOCK, self.page_mm_ids_lock, folio)

    def attribute(self, folio: int, diff: int, mm_id: int, total: int) -> bool:
        """Give ``diff`` new mappings to the mm's slot, or to a free one; return whether the folio
        becomes mapped shared.

        If both slots belong to other mms, the mappings are counted in no slot; the flag has been
        set before that.
        """
        slots = (2 * folio, 2 * folio + 1)
        for slot in slots:
            if self.page_mm_id[slot] == mm_id:
                self.page_mm_id_mapcount[slot] += diff
                return False
        for slot in slots:
            if not self.page_mm_id[slot]:
                self.page_mm_id[slot], self.page_mm_id_mapcount[slot] = mm_id, diff
                return slot == slots[1] or total != diff
        return False

    async def folio_sub_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """Account for ``diff`` mappings fewer of ``folio`` by the mm ``mm_id``."""
        await self.m.lock(LOCK, self.page_mm_ids_lock, folio)
        total = await self.m.load(SUB_READ, self.page_large_mapcount, folio) - diff
        await self.m.store(SUB_WRITE, self.page_large_mapcount, folio, total)
        if self.release(folio, diff, mm_id, total):
            await self.m.store(SUB_EXCLUSIVE, self.page_mapped_shared, folio, 0)
        await self.m.unlock(UNLOCK, self.page_mm_ids_lock, folio)

    def release(self, folio: int, diff: int, mm_id: int, total: int) -> bool:
        """Take ``diff`` mappings from the mm's slot, which becomes free with its last; return
        whether one mm now has them all.

        A slot may have fewer than are taken: some may have been added while no slot was free.
        """
        slots = (2 * folio, 2 * folio + 1)
        for slot in slots:
            if self.page_mm_id[slot] == mm_id:
                self.page_mm_id_mapcount[slot] -= diff
                if self.page_mm_id_mapcount[slot] > 0:
                    return False
                self.page_mm_id[slot] = self.page_mm_id_mapcount[slot] = 0
                break
        return total in (self.page_mm_id_mapcount[slots[0]], self.page_mm_id_mapcount[slots[1]])
