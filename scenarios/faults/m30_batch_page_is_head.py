"""M30: a batch is taken to begin at the head of its folio, not at the page that its first PTE
maps.
"""

from __future__ import annotations

from sim.mm.memory import Memory
from stress.fault import Fault


class BatchPageIsHead(Fault, Memory):
    id = "M30"
    component = "memory"
    scenario = "partial_zap"

    def batch_page(self, folio: int, page: int) -> int:
        """The head stands in for the page."""
        return folio
