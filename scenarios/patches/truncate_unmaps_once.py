"""Truncation does not unmap the range a second time when the folios are gone.

truncate_pagecache() (mm/truncate.c, 6.9) does: private copies may have been made of folios that
were still there after the first time.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"


class TruncateUnmapsOnce(Truncate):
    component = "truncate"

    async def truncate_pagecache(self, cpu: int, file: int, size: int) -> None:
        """Unmap, remove."""
        end = self.w.file_pages * self.g.page_size
        first = -(-size // self.g.page_size) * self.g.page_size
        await self.k.unmap_mapping.unmap_mapping_range(cpu, file, first, end, even_cows=True)
        await self.truncate_inode_pages_range(cpu, file, size, end)
