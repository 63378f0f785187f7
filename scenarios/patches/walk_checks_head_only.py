"""A walk takes an entry for the folio's if it maps the folio's first page.

check_pte() (mm/page_vma_mapped.c, 6.9) compares with the range of pages that is sought: of a large
folio each entry maps another one.
"""

from __future__ import annotations

from sim.core.pte import PRESENT, pte_pfn
from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkChecksHeadOnly(PageVmaMapped):
    component = "page_vma_mapped"

    def check_pte(self, pte: int, page: int) -> bool:
        """pte_pfn(ptent) == folio_pfn(folio)."""
        return bool(pte & PRESENT) and pte_pfn(pte) == self.k.page_head(page)
