"""Truncation removes the page in the middle of which the file ends.

truncate_inode_pages_range() (mm/truncate.c, 6.9) rounds the beginning of the range up to whole
pages, and zeroes the end of the page before.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("truncation", "O36")


class TruncateTakesTailPage(Truncate):
    component = "truncate"

    async def truncate_inode_pages_range(self, cpu: int, file: int, start: int, stop: int) -> None:
        """start = lstart >> PAGE_SHIFT."""
        index, end = start // self.g.page_size, stop // self.g.page_size
        first = index
        while index < end:
            index = await self._truncate_batch(cpu, file, index, end)
        while await self._truncate_rest(cpu, file, first, end):
            pass
