"""Punching a hole unmaps its range with the private copies in it.

truncate_pagecache_range() (mm/truncate.c, 6.9) passes even_cows = 0 to unmap_mapping_range(): only
what lies behind the end of a file is taken from private mappings.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("hole-punch", "O35")


class HoleIsUnmappedWithCopies(Truncate):
    component = "truncate"

    async def truncate_pagecache_range(self, cpu: int, file: int, first: int, end: int) -> None:
        """As a truncation does."""
        size = self.g.page_size
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first * size, end * size, even_cows=True)
        await self.truncate_inode_pages_range(cpu, file, first * size, end * size)
