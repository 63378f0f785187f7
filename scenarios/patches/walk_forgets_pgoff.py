"""A walk takes a VMA's first page for the first of its file.

vma_address() (mm/rmap.c, 6.9) subtracts vm_pgoff: a mapping may begin anywhere in the file, and an
unmapped beginning leaves it so.
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkForgetsPgoff(PageVmaMapped):
    component = "page_vma_mapped"

    def vma_address(self, folio: int, vma: int) -> int:
        """vma->vm_start + (pgoff << PAGE_SHIFT)."""
        return self.vma_start[vma] + self.page_index[folio]
