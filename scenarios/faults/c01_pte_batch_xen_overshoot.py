"""C01: an empty entry behind a folio continues a batch, as under Xen PV before 6.15
(7b08b74f3d99).
"""

from __future__ import annotations

from sim.core.pte import pte_pfn
from sim.mm.memory import Memory
from stress.fault import Fault


class PteBatchXenOvershoot(Fault, Memory):
    id = "C01"
    component = "memory"
    scenario = "empty_tables"

    def pte_batches(self, folio: int, entry: int, expected: int, drop: int) -> bool:
        """The page behind the folio has no machine frame, so the entry that is expected is empty."""
        behind = pte_pfn(expected) >= folio + (1 << self.page_order[folio])
        return super().pte_batches(folio, entry, expected, drop) or (behind and not entry)

    def batch_pages_max(self, folio: int, page: int, max_nr: int) -> int:
        """Nor is the batch limited beforehand (6.15)."""
        return max_nr
