"""Truncation takes a batch of folios without locking them.

find_lock_entries() (mm/filemap.c, 6.9) passes over a folio that somebody has locked: a fault that
holds it may be about to map it.
"""

from __future__ import annotations

from sim.mm.truncate import WRITEBACK_BATCH, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O31")


class TruncateFolioUnlocked(Truncate):
    component = "truncate"

    async def _truncate_batch(self, cpu: int, file: int, index: int, end: int) -> int:
        """The inode lock is held, and that is taken to be enough."""
        filemap, folio = self.k.filemap, await self.k.filemap.get_folio(cpu, file, index)
        if folio < 0:
            return index + 1
        behind = self._next_index(folio)
        if (
            self.page_index[folio] == index
            and behind <= end
            and filemap.in_cache(file, folio)
            and not await self.m.load(WRITEBACK_BATCH, self.page_writeback, folio)
        ):
            await self.truncate_cleanup_folio(cpu, folio)
            await filemap.filemap_remove_folio(cpu, file, folio)
        await self.k.swap.folio_put(cpu, folio)
        return behind
