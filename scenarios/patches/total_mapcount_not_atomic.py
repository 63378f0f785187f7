"""The total mapcount of a large folio is lowered by a load and a store.

__folio_remove_rmap() (mm/rmap.c, 6.12) uses atomic_sub(): a folio is unmapped in several address
spaces at once, each under its own page table lock.
"""

from __future__ import annotations

from sim.versions.v6_12.rmap import SUB_TOTAL, Rmap612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("total-mapcount",)


class TotalMapcountNotAtomic(Rmap612):
    component = "rmap"

    async def folio_sub_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """_large_mapcount -= nr, in C."""
        total = await self.m.load(SUB_TOTAL, self.page_large_mapcount, folio)
        await self.m.store(SUB_TOTAL, self.page_large_mapcount, folio, total - diff)
