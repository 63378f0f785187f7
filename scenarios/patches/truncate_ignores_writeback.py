"""Truncation does not wait for the write-out of a folio that it removes.

truncate_inode_pages_range() (mm/truncate.c, 6.9) waits for PG_writeback under the folio lock: the
block would be freed, and be written to afterwards.
"""

from __future__ import annotations

from sim.mm.truncate import LOCK_BATCH, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O37")


class TruncateIgnoresWriteback(Truncate):
    component = "truncate"

    async def lock_entry(self, cpu: int, file: int, folio: int) -> bool:
        """A folio that is being written out is locked like any other."""
        if not await self.m.trylock(LOCK_BATCH, self.page_locked, folio):
            return False
        if self.k.filemap.in_cache(file, folio):
            return True
        await self.k.filemap.unlock_folio(folio)
        return False
