"""A look-up in the page cache takes a reference on whatever it finds.

filemap_get_entry() (mm/filemap.c, 6.9) tries: a folio that has left the cache may have none left.
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.core.ledger import TRANSIENT
from sim.mm.filemap import LOOKUP, TRY_GET, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("page-cache-removal",)


class LookupGetsDeadFolio(Filemap):
    component = "filemap"

    async def get_folio(self, cpu: int, file: int, index: int) -> int:
        """The cache has one, and that is taken to be enough."""
        folio = index_of_ref(await self.m.load(LOOKUP, self.i_pages, self.slot(file, index)))
        if folio >= 0:
            await self.m.add(TRY_GET, self.page_ref, folio, 1, TRANSIENT)
        return folio
