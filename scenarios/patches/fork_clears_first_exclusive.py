"""Of a batch of anonymous pages that fork shares, the first alone stops being exclusive.

__folio_try_dup_anon_rmap() (include/linux/rmap.h, 6.9) clears PG_anon_exclusive of each page: a
page that keeps it is written to in place, after the fork, by either side.
"""

from __future__ import annotations

from sim.mm.rmap import DUP, DUP_CLEAR, DUP_READ, Rmap

KERNEL = "6.9"
KIND = "sequence"


class ForkClearsFirstExclusive(Rmap):
    component = "rmap"

    async def folio_try_dup_anon_rmap_ptes(self, folio: int, page: int, nr: int, dst_mm: int) -> bool:
        """The flag is taken for one of the folio."""
        if await self.m.load(DUP_READ, self.page_anon_exclusive, page):
            await self.m.store(DUP_CLEAR, self.page_anon_exclusive, page, 0)
        for k in range(nr):
            await self.m.add(DUP, self.page_mapcount, page + k, 1)
        return True
