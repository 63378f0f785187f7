"""Invalidation unmaps the first page of a folio that is mapped again.

folio_unmap_invalidate() (mm/truncate.c; invalidate_inode_pages2_range in 6.9) calls
unmap_mapping_folio(), as each page of a large folio may have been mapped since the range was.
"""

from __future__ import annotations

from sim.mm.truncate import INVALIDATE_DIRTY, INVALIDATE_XA_LOCK, INVALIDATE_XA_UNLOCK, Truncate

KERNEL = "6.9"
KIND = "interleaving"


class InvalidatesOnePageOfFolio(Truncate):
    component = "truncate"

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """unmap_mapping_pages(mapping, folio->index, 1, false)."""
        index = self.page_index[folio]
        if await self.k.rmap.folio_mapped(folio):
            await self.k.unmap_mapping.unmap_mapping_pages(cpu, file, index, index + 1, even_cows=False)
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
