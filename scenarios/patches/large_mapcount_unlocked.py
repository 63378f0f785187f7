"""A large folio's total mapcount is lowered without the lock that keeps it and its owners.

folio_sub_return_large_mapcount() (include/linux/rmap.h, 6.18) runs under
folio_lock_large_mapcount(): processes that unmap the folio at once have no other lock in common.
"""

from __future__ import annotations

from sim.versions.v6_18.rmap import SUB_EXCLUSIVE, SUB_READ, SUB_WRITE, Rmap618

KERNEL = "6.18-flushfirst"
KIND = "interleaving"
GUARDS = ("total-mapcount",)


class LargeMapcountUnlocked(Rmap618):
    component = "rmap"

    async def folio_sub_large_mapcount(self, folio: int, diff: int, mm_id: int) -> None:
        """The PTL is held, and that is taken to be enough."""
        total = await self.m.load(SUB_READ, self.page_large_mapcount, folio) - diff
        await self.m.store(SUB_WRITE, self.page_large_mapcount, folio, total)
        if self.release(folio, diff, mm_id, total):
            await self.m.store(SUB_EXCLUSIVE, self.page_mapped_shared, folio, 0)
