"""A rmap walk takes every present entry where the folio could be for one that maps it.

check_pte() (mm/page_vma_mapped.c, 6.9) compares the page frame: a private mapping may have a copy
there.
"""

from __future__ import annotations

from sim.core.pte import PRESENT
from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkTakesAnyEntry(PageVmaMapped):
    component = "page_vma_mapped"

    def check_pte(self, pte: int, page: int) -> bool:
        """Present will do."""
        return bool(pte & PRESENT)
