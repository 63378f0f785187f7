"""A fault maps a folio of a file as a whole, where the VMA has a part of it.

finish_fault() (mm/memory.c, 6.18) compares the folio's first and last page with the VMA and with
the page table of the fault.
"""

from __future__ import annotations

from sim.mm.mm_types import VM_UFFD_WP
from sim.versions.v6_18.page_fault import PageFault618

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("whole-folio",)


class WholeFolioPastTheVma(PageFault618):
    component = "page_fault"

    def pages_that_fit(self, vma: int, addr: int, page: int) -> int:
        """The table is all that is compared with."""
        folio = self.k.page_head(page)
        first, nr, span = addr - (page - folio), self.k.mm_types.folio_nr_pages(folio), self.g.ptrs_per_pte
        inside = first >= 0 and first // span == (first + nr - 1) // span
        return nr if inside and not self.vma_flags[vma] & VM_UFFD_WP else 1
