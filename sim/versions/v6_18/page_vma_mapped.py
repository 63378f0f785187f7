"""Walks from a folio to its PTEs (mm/page_vma_mapped.c, v6.18): a table that was locked without a
look at the PMD is compared with it.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.core.component import ref_to
from sim.core.machine import site
from sim.mm.page_vma_mapped import PageVmaMapped

PMD_SAME = site("page_vma_mapped_walk", "re-read pmd")


class PageVmaMapped618(PageVmaMapped):
    """A table may be reclaimed while its VMA stays."""

    pmd: Column

    async def is_still_there(self, mm: int, addr: int, table: int) -> bool:
        """Return whether the PMD still has ``table`` (pmd_same)."""
        return await self.m.load(PMD_SAME, self.pmd, self.k.pgtable.pmd_index(mm, addr)) == ref_to(table)
