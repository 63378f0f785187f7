"""A fault maps a folio of a file as a whole, where the page table ends in it.

finish_fault() (mm/memory.c, 6.18) lets pte_off + nr - idx go up to PTRS_PER_PTE: entries behind
that are those of another table.
"""

from __future__ import annotations

from sim.mm.mm_types import VM_UFFD_WP
from sim.versions.v6_18.page_fault import PageFault618

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("whole-folio",)


class WholeFolioPastTheTable(PageFault618):
    component = "page_fault"

    def pages_that_fit(self, vma: int, addr: int, page: int) -> int:
        """The VMA is all that is compared with."""
        folio = self.k.page_head(page)
        first, nr = addr - (page - folio), self.k.mm_types.folio_nr_pages(folio)
        inside = self.vma_start[vma] <= first and first + nr <= self.vma_end[vma]
        return nr if inside and not self.vma_flags[vma] & VM_UFFD_WP else 1
