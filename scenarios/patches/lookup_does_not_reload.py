"""A look-up in the page cache does not read the slot again when it has a reference.

filemap_get_entry() (mm/filemap.c, 6.9) does (xas_reload): between the look and the reference the
folio may have been freed and allocated again.
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.core.ledger import TRANSIENT
from sim.mm.filemap import LOOKUP, TRY_GET, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("page-cache-removal",)


class LookupDoesNotReload(Filemap):
    component = "filemap"

    async def get_folio(self, cpu: int, file: int, index: int) -> int:
        """The reference is taken to be proof."""
        while True:
            folio = index_of_ref(await self.m.load(LOOKUP, self.i_pages, self.slot(file, index)))
            if folio < 0:
                return -1
            if await self.m.rmw(TRY_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT):
                return folio
