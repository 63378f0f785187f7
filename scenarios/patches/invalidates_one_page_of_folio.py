"""Invalidation unmaps the first page of a folio that is mapped again.

folio_unmap_invalidate() (mm/truncate.c; invalidate_inode_pages2_range in 6.9) calls
unmap_mapping_folio(), as each page of a large folio may have been mapped since the range was.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate", "O32")


class InvalidatesOnePageOfFolio(Truncate):
    component = "truncate"

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """unmap_mapping_pages(mapping, folio->index, 1, false)."""
        index = self.page_index[folio]
        if await self.k.rmap.folio_mapped(folio):
            await self.k.unmap_mapping.unmap_mapping_pages(cpu, file, index, index + 1, even_cows=False)
        return await self.invalidate_complete_folio2(cpu, file, folio)
