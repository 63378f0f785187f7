"""Truncation does not ask, once it has locked a folio, whether the cache still has it.

find_lock_entries() (mm/filemap.c, 6.9) compares folio->mapping under the lock: another truncation
or an invalidation may have removed the folio in between.
"""

from __future__ import annotations

from sim.mm.truncate import LOCK_BATCH, WRITEBACK_BATCH, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation",)


class TruncatesMovedFolio(Truncate):
    component = "truncate"

    async def lock_entry(self, cpu: int, file: int, folio: int) -> bool:
        """It was there a moment ago."""
        if not await self.m.trylock(LOCK_BATCH, self.page_locked, folio):
            return False
        if not await self.m.load(WRITEBACK_BATCH, self.page_writeback, folio):
            return True
        await self.k.filemap.unlock_folio(folio)
        return False
