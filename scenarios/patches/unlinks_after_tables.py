"""A VMA's page tables are freed while the reverse map can still find the VMA.

free_pgtables() (mm/memory.c, 6.9) unlinks first ("Hide vma from rmap and truncate_pagecache before
freeing pgtables"): a rmap walk takes no mmap lock.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.9"
KIND = "interleaving"


class UnlinksAfterTables(Mmap):
    component = "mmap"

    async def free_pgtables(self, tlb: int, mm: int, vmas: list[int], floor: int, ceiling: int) -> None:
        """The two halves of the loop are turned round."""
        first, last = self.vma_start[vmas[0]], self.vma_end[vmas[-1]]
        await self.k.pgtable.free_pgd_range(tlb, mm, first, last, floor, ceiling)
        for vma in vmas:
            await self.k.rmap.vma_unlink(vma)
