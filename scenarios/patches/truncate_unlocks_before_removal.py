"""Truncation lets go of the locks of a batch of folios before it removes them from the cache.

truncate_inode_pages_range() (mm/truncate.c, 6.9) unlocks them after delete_from_page_cache_batch():
a fault that waits for the lock would map a folio that has just been unmapped.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation",)


class TruncateUnlocksBeforeRemoval(Truncate):
    component = "truncate"

    async def _truncate_batch(self, cpu: int, file: int, index: int, end: int) -> int:
        """The cache has a lock of its own."""
        folios, index = await self.find_lock_entries(cpu, file, index, end)
        for folio in folios:
            await self.truncate_cleanup_folio(cpu, folio)
        for folio in folios:
            await self.k.filemap.unlock_folio(folio)
        if folios:
            await self.k.filemap.delete_from_page_cache_batch(cpu, file, folios)
        for folio in folios:
            await self.k.swap.folio_put(cpu, folio)
        return index
