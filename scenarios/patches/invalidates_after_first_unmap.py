"""Invalidation unmaps the range once, and no folio by itself.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) unmaps each folio under its lock too: it may
have been mapped again.
"""

from __future__ import annotations

from sim.mm.truncate import INVALIDATE_DIRTY, INVALIDATE_XA_LOCK, INVALIDATE_XA_UNLOCK, Truncate

KERNEL = "6.9"
KIND = "interleaving"


class InvalidatesAfterFirstUnmap(Truncate):
    component = "truncate"

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """The range has been unmapped."""
        if await self.k.rmap.folio_mapped(folio):
            self.k.checks.invalidated_mapped(folio)
        await self.m.lock(INVALIDATE_XA_LOCK, self.i_pages_lock, file)
        clean = not await self.m.load(INVALIDATE_DIRTY, self.page_dirty, folio)
        if clean:
            await self.k.filemap.remove_from_cache(file, folio)
        await self.m.unlock(INVALIDATE_XA_UNLOCK, self.i_pages_lock, file)
        if clean:
            await self.k.filemap.filemap_free_folio(cpu, folio)
        return clean
