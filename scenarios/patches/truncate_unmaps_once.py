"""Truncation unmaps the range before it drops the folios, and not again.

truncate_pagecache() (mm/truncate.c, 6.9) calls unmap_mapping_range() twice: a private copy may be
made of a folio that is still in the cache, and nothing else removes copies.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation",)


class TruncateUnmapsOnce(Truncate):
    component = "truncate"

    async def truncate_pagecache(self, cpu: int, file: int, size: int) -> None:
        """Once should do."""
        end = self.w.file_pages * self.g.page_size
        first = -(-size // self.g.page_size) * self.g.page_size
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first, end, even_cows=True)
        await self.truncate_inode_pages_range(cpu, file, size, end)
