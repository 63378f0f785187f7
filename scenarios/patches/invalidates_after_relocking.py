"""Invalidation lets go of a folio's lock between unmapping and removing it.

folio_unmap_invalidate() (mm/truncate.c; invalidate_inode_pages2_range in 6.9) keeps the folio
locked while its file system launders it: a fault that waits for the lock would map it again.
"""

from __future__ import annotations

from sim.mm.truncate import INVALIDATE_LOCK, UNMAPPED, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate",)


class InvalidatesAfterRelocking(Truncate):
    component = "truncate"

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """The lock is not wanted while a write-out is waited for."""
        await self.unmap_if_mapped(cpu, folio, UNMAPPED)
        await self.k.filemap.unlock_folio(folio)
        await self.k.page_writeback.wait_for_writeback(folio)
        await self.m.lock(INVALIDATE_LOCK, self.page_locked, folio)
        return await self.invalidate_complete_folio2(cpu, file, folio)
