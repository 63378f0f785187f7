"""M01: a batch runs on into the next folio, if that is adjacent in memory and in the address
space.
"""

from __future__ import annotations

from sim.mm.memory import Memory
from stress.fault import Fault


class BatchPastFolioEnd(Fault, Memory):
    id = "M01"
    component = "memory"
    scenario = "mixed_orders"

    def pte_batches(self, folio: int, entry: int, expected: int, drop: int) -> bool:
        """The next page frame with the same bits is enough."""
        return entry & ~drop == expected

    def batch_pages_max(self, folio: int, page: int, max_nr: int) -> int:
        """Nor is the batch limited beforehand (6.15)."""
        return max_nr
