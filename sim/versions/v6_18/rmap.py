"""Reverse map (include/linux/rmap.h, v6.18): whose mms the total mapcount of a folio belongs to.

``page_large_mapcount`` (:mod:`sim.versions.v6_12.rmap`) changes under a bit lock,
``page_mm_ids_lock``, together with two slots that say how many of the mappings are of which mm
(``_mm_id``, ``_mm_id_mapcount`` plus one) and a flag that says that more than one mm may map the
folio. The flag may be stale when it is set, and never when it is clear.

Lock order: PTL, ``page_mm_ids_lock`` (a leaf). An mm's id is its number plus one; ids are not
handed out again.
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, bits_for
from sim.core.machine import site
from sim.versions.v6_12.rmap import Rmap612

LOCK = site("folio_lock_large_mapcount", "lock mm ids")
UNLOCK = site("folio_unlock_large_mapcount", "unlock mm ids")
ADD_READ = site("folio_add_large_mapcount", "read large mapcount")
ADD_WRITE = site("folio_add_large_mapcount", "raise large mapcount")
ADD_SHARED = site("folio_add_large_mapcount", "set mapped shared")
SUB_READ = site("folio_sub_large_mapcount", "read large mapcount")
SUB_WRITE = site("folio_sub_large_mapcount", "lower large mapcount")
SUB_EXCLUSIVE = site("folio_sub_large_mapcount", "clear mapped shared")


class Rmap618(Rmap612):
    """Mapcounts of large folios with a total and MM ids (CONFIG_MM_ID)."""

    page_mapped_shared: Column
    page_mm_ids_lock: Column
    page_mm_id: Cells
    page_mm_id_mapcount: Cells

    def fields(self) -> list[Field]:
        pages = self.w.pages
        return [
            *super().fields(),
            Field("page_mapped_shared", pages, bits=1, of_page=True),
            Field("page_mm_ids_lock", pages, lock=SPIN, bits=bits_for(self.k.slots), of_page=True),
            Field("page_mm_id", 2 * pages, PRIVATE, bits=bits_for(self.w.mms)),
            Field("page_mm_id_mapcount", 2 * pages, PRIVATE, word=32),
        ]

    async def count_new_folio(self, folio: int, nr: int, vma: int) -> None:
        """Give the first slot to the mm that makes the folio; the folio is still private, so no
        lock is taken (folio_set_large_mapcount).
        """
        self.page_mm_id[2 * folio], self.page_mm_id_mapcount[2 * folio] = self.vma_mm[vma], nr
        await super().count_new_folio(folio, nr, vma)

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
