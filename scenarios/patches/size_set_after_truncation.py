"""A file's size is set when what lies behind it has been dropped from the cache.

truncate_setsize() (mm/truncate.c, 6.9) sets i_size first: a fault that looks at the old size maps a
page again of which nobody knows any more.
"""

from __future__ import annotations

from sim.mm.filesystem import SET_SIZE, Filesystem

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("i-size", "O35", "O36")


class SizeSetAfterTruncation(Filesystem):
    component = "filesystem"

    async def truncate_setsize(self, cpu: int, file: int, size: int) -> None:
        """Two lines are turned round."""
        await self.k.truncate.truncate_pagecache(cpu, file, size)
        await self.m.store(SET_SIZE, self.i_size, file, size)
