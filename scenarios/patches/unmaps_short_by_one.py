"""Unmapping through the reverse map of a file leaves the last page of the range.

unmap_mapping_range_tree() (mm/memory.c, 6.9) reckons with last indexes, and adds one for the end
that it zaps to.
"""

from __future__ import annotations

from sim.mm.memory import ZapDetails
from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O30")


class UnmapsShortByOne(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_range_tree(self, cpu: int, file: int, first: int, end: int, details: ZapDetails) -> None:
        """((zea - vba) << PAGE_SHIFT) + vma->vm_start."""
        for vma in self.k.rmap.file_vmas(file):
            offset = self.vma_start[vma] - self.vma_pgoff[vma]
            addr, stop = max(self.vma_start[vma], first + offset), min(self.vma_end[vma], end - 1 + offset)
            if addr < stop:
                await self.k.memory.zap_page_range_single(cpu, vma, addr, stop, details)
