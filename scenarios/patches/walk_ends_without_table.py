"""A walk from a folio ends where it finds no page table.

page_vma_mapped_walk() (mm/page_vma_mapped.c, 6.9) goes on behind the PMD: a folio may lie across
the edge of two tables, of which the first was never there, or is gone.
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkEndsWithoutTable(PageVmaMapped):
    component = "page_vma_mapped"

    def step_forward(self, stop: int, end: int) -> int:
        """Nowhere: what was found so far is all."""
        return end
