"""Invalidation takes a folio without its lock.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) locks it before it looks at its mapping: a
fault holds the lock while it maps the folio, and would map what has just been unmapped.
"""

from __future__ import annotations

import errno

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"


class InvalidatesUnlocked(Truncate):
    component = "truncate"

    async def invalidate_inode_pages2_range(self, cpu: int, file: int, first: int, end: int) -> int:
        """The reference is taken to keep it there."""
        index, unmapped, result = first, False, 0
        while index < end:
            folio = await self.k.filemap.get_folio(cpu, file, index)
            index += 1
            if folio < 0:
                continue
            if not unmapped and await self.k.rmap.folio_mapped(folio):
                await self.k.unmap_mapping.unmap_mapping_pages(cpu, file, index - 1, end, even_cows=False)
                unmapped = True
            if self.k.filemap.in_cache(file, folio):
                index = self._next_index(folio)
                await self.k.page_writeback.wait_for_writeback(folio)
                if not await self.folio_unmap_invalidate(cpu, file, folio):
                    result = -errno.EBUSY
            await self.k.swap.folio_put(cpu, folio)
        return result
