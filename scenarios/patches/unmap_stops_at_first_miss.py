"""unmap_mapping_range_tree() leaves its loop at the first VMA that maps none of the range.

VMAs come in no order of their offset in the file: one behind it keeps its entries.
"""

from __future__ import annotations

from sim.mm.memory import ZapDetails
from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O30")


class UnmapStopsAtFirstMiss(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_range_tree(self, cpu: int, file: int, first: int, end: int, details: ZapDetails) -> None:
        """The VMAs are taken to be in order."""
        for vma in self.k.rmap.file_vmas(file):
            offset = self.vma_start[vma] - self.vma_pgoff[vma]
            addr, stop = max(self.vma_start[vma], first + offset), min(self.vma_end[vma], end + offset)
            if addr >= stop:
                break
            await self.k.memory.zap_page_range_single(cpu, vma, addr, stop, details)
