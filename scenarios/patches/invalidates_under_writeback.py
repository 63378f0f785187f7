"""Invalidation does not wait until a folio has been written out.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) waits for PG_writeback under the folio lock:
what reads the disk next would read what was there before.
"""

from __future__ import annotations

import errno

from sim.mm.truncate import INVALIDATE_LOCK, Truncate

KERNEL = "6.9"
KIND = "interleaving"


class InvalidatesUnderWriteback(Truncate):
    component = "truncate"

    async def invalidate_inode_pages2_range(self, cpu: int, file: int, first: int, end: int) -> int:
        """The write has been started, and the folio is clean."""
        index, unmapped, result = first, False, 0
        while index < end:
            folio = await self.k.filemap.get_folio(cpu, file, index)
            index += 1
            if folio < 0:
                continue
            if not unmapped and await self.k.rmap.folio_mapped(folio):
                await self.k.unmap_mapping.unmap_mapping_pages(cpu, file, index - 1, end, even_cows=False)
                unmapped = True
            await self.m.lock(INVALIDATE_LOCK, self.page_locked, folio)
            if self.k.filemap.in_cache(file, folio):
                index = self._next_index(folio)
                if not await self.folio_unmap_invalidate(cpu, file, folio):
                    result = -errno.EBUSY
            await self._unlock_and_put(cpu, folio)
        return result
