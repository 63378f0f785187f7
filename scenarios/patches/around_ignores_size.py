"""Fault-around maps what the page cache has, wherever the file ends.

next_uptodate_folio() (mm/filemap.c, 6.9) looks at i_size once it has locked the folio: a truncation
that has passed i_size may not have reached the folio yet.
"""

from __future__ import annotations

from sim.mm.filemap import AROUND_SIZE, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("i-size",)


class AroundIgnoresSize(Filemap):
    component = "filemap"

    async def pages_of(self, where: int, file: int) -> int:
        """A page that is in the cache is one of the file's."""
        return self.w.file_pages if where == AROUND_SIZE else await super().pages_of(where, file)
