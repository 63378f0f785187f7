"""Unmapping through the reverse map of a file leaves the first page of the range.

unmap_mapping_range() (mm/memory.c, 6.9) rounds the beginning down: truncation has rounded it up
already, to the first page behind the end of the file.
"""

from __future__ import annotations

from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O34")


class UnmapsFromNextPage(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_range(self, cpu: int, file: int, start: int, end: int, even_cows: bool) -> None:
        """The page of the first byte is taken for one that stays."""
        await super().unmap_mapping_range(cpu, file, start + self.g.page_size, end, even_cows)
