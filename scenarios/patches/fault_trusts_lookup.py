"""A file fault that has locked a folio does not ask whether it is still the file's.

filemap_fault() (mm/filemap.c, 6.9, "Did it get truncated?") compares folio->mapping under the folio
lock: while it waited the folio may have been removed from the page cache.
"""

from __future__ import annotations

from sim.mm.filemap import LOCK, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("page-cache-removal",)


class FaultTrustsLookup(Filemap):
    component = "filemap"

    async def _lock_cached(self, cpu: int, file: int, folio: int) -> bool:
        """The reference is taken to keep it there."""
        await self.m.lock(LOCK, self.page_locked, folio)
        return True
