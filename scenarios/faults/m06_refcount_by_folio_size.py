"""M06: the references of a whole folio are put for a batch that zapped a part of it."""

from __future__ import annotations

from sim.mm.swap import Swap
from stress.fault import Fault


class RefcountByFolioSize(Fault, Swap):
    id = "M06"
    component = "swap"
    scenario = "partial_zap"

    def refs_to_put(self, page: int, nr: int) -> int:
        """The folio's size stands in for the count, where there is one."""
        return self.k.mm_types.folio_nr_pages(self.k.page_head(page)) if nr > 1 else 1
