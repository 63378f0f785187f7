"""A folio that has left the page cache still names its file.

page_cache_delete() (mm/filemap.c, 6.9) sets folio->mapping to NULL: whoever has looked the folio up
asks for it once it has the lock.
"""

from __future__ import annotations

from sim.mm.filemap import DELETE, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("page-cache-removal",)


class RemovedFolioKeepsMapping(Filemap):
    component = "filemap"

    async def remove_from_cache(self, file: int, folio: int) -> None:
        """The folio is about to be freed."""
        await self.filemap_unaccount_folio(file, folio)
        first = self.slot(file, self.page_index[folio])
        for k in range(1 << self.page_order[folio]):
            await self.m.store(DELETE, self.i_pages, first + k, 0)
