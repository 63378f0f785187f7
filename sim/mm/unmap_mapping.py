"""Zapping what is mapped of a file, in whichever address space (mm/memory.c, v6.9): the part of
that file that truncation and invalidation use.

The walk goes by i_mmap alone: it holds no mmap lock, and meets VMAs that are being unmapped, or
filled by fork. Each VMA is zapped under a gather of its own, which is finished before the next.
Lock order: folio lock, i_mmap_rwsem, PTL. Left out: hugetlb; ``single_folio``, which only PMD
leaves need.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site
from sim.mm.memory import ZAP_FLAG_DROP_MARKER, ZapDetails

FOLIO_LOCK = site("unmap_mapping_folio", "lock i_mmap for reading")
FOLIO_UNLOCK = site("unmap_mapping_folio", "unlock i_mmap")
PAGES_LOCK = site("unmap_mapping_pages", "lock i_mmap for reading")
PAGES_UNLOCK = site("unmap_mapping_pages", "unlock i_mmap")


class UnmapMapping(Component):
    """Zaps through the reverse map of a file."""

    name = "unmap_mapping"

    i_mmap_lock: Column
    page_index: Cells
    page_order: Cells
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells

    async def unmap_mapping_folio(self, cpu: int, folio: int) -> None:
        """Zap every mapping of a locked folio of the page cache; private copies stay."""
        file, first = self.k.mm_types.mapping_of(folio), self.page_index[folio]
        await self.m.down_read(FOLIO_LOCK, self.i_mmap_lock, file)
        details = ZapDetails(even_cows=False, zap_flags=ZAP_FLAG_DROP_MARKER)
        await self.unmap_mapping_range_tree(cpu, file, first, first + (1 << self.page_order[folio]), details)
        await self.m.up_read(FOLIO_UNLOCK, self.i_mmap_lock, file)

    async def unmap_mapping_pages(self, cpu: int, file: int, first: int, end: int, even_cows: bool) -> None:
        """Zap the mappings of pages [first, end) of a file; ``even_cows``: of private copies
        too.
        """
        await self.m.down_read(PAGES_LOCK, self.i_mmap_lock, file)
        if even_cows:
            await self.unmap_mapping_range_tree(cpu, file, first, end, ZapDetails(even_cows=True))
        else:
            await self.unmap_mapping_range_tree(cpu, file, first, end, ZapDetails(even_cows=False))
        await self.m.up_read(PAGES_UNLOCK, self.i_mmap_lock, file)

    async def unmap_mapping_range(self, cpu: int, file: int, start: int, end: int, even_cows: bool) -> None:
        """Do the same for bytes [start, end): of the pages that lie in it, also in part."""
        await self.unmap_mapping_pages(cpu, file, start // self.g.page_size, -(-end // self.g.page_size), even_cows)

    async def unmap_mapping_range_tree(self, cpu: int, file: int, first: int, end: int, details: ZapDetails) -> None:
        """Zap pages [first, end) of a file in each VMA that maps some of them, one after the
        other.
        """
        for vma in self.k.rmap.file_vmas(file):
            offset = self.vma_start[vma] - self.vma_pgoff[vma]
            addr, stop = max(self.vma_start[vma], first + offset), min(self.vma_end[vma], end + offset)
            if addr < stop:
                await self.k.memory.zap_page_range_single(cpu, vma, addr, stop, details)
