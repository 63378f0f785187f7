"""M02: a batch is limited by its folio, not by the range to be zapped, the VMA or the table."""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class BatchPastRange(Fault, Memory):
    id = "M02"
    component = "memory"
    scenario = "partial_zap"

    def batch_limit(self, zap: Zap, addr: int, page: int) -> int:
        """The pages that are left of the folio."""
        folio = self.k.page_head(page)
        return folio + self.k.mm_types.folio_nr_pages(folio) - page
