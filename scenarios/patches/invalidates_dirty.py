"""Invalidation removes a folio that has been stored to since it was written out.

invalidate_complete_folio2() (mm/truncate.c, 6.9) looks at PG_dirty under
the lock of the page cache, and gives up.
"""

from __future__ import annotations

from sim.mm.truncate import INVALIDATE_XA_LOCK, INVALIDATE_XA_UNLOCK, Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate", "O33")


class InvalidatesDirty(Truncate):
    component = "truncate"

    async def invalidate_complete_folio2(self, cpu: int, file: int, folio: int) -> bool:
        """The file has just been written out."""
        await self.m.lock(INVALIDATE_XA_LOCK, self.i_pages_lock, file)
        await self.k.filemap.remove_from_cache(file, folio)
        await self.m.unlock(INVALIDATE_XA_UNLOCK, self.i_pages_lock, file)
        await self.k.filemap.filemap_free_folio(cpu, folio)
        return True
