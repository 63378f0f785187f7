"""A reference is put in two steps: a look whether it is the last, and the drop.

folio_put() (include/linux/mm.h, 6.9) is one atomic operation, put_page_testzero(): two that put at
once would both find that theirs is not the last.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.mm.swap import FOLIO_PUT, Swap

KERNEL = "6.9"
KIND = "interleaving"


class PutTestsBeforeDropping(Swap):
    component = "swap"

    async def folio_put(self, cpu: int, folio: int, holder: int = TRANSIENT) -> None:
        """Was it one, then it is none now."""
        last = await self.m.load(FOLIO_PUT, self.page_ref, folio) == 1
        await self.m.add(FOLIO_PUT, self.page_ref, folio, -1, holder)
        if last:
            await self._release(folio)
            await self.k.page_alloc.free_unref_folios([folio])
