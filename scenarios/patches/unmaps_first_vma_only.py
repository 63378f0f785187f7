"""Unmapping through the reverse map of a file ends with the first VMA that maps the range.

unmap_mapping_range_tree() (mm/memory.c, 6.9) goes on to every other VMA of the interval tree: a
file may be mapped twice, and by a child.
"""

from __future__ import annotations

from sim.mm.memory import ZapDetails
from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O30")


class UnmapsFirstVmaOnly(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_range_tree(self, cpu: int, file: int, first: int, end: int, details: ZapDetails) -> None:
        """The one that was found is taken to be the one that faulted."""
        for vma in self.k.rmap.file_vmas(file):
            offset = self.vma_start[vma] - self.vma_pgoff[vma]
            addr, stop = max(self.vma_start[vma], first + offset), min(self.vma_end[vma], end + offset)
            if addr < stop:
                await self.k.memory.zap_page_range_single(cpu, vma, addr, stop, details)
                return
