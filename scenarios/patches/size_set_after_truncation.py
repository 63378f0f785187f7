"""A file's size is set when what lies behind it has been dropped from the cache.

truncate_setsize() (mm/truncate.c, 6.9) sets i_size first: a fault that looks at the old size maps a
page again of which nobody knows any more.
"""

from __future__ import annotations

from sim.mm.filesystem import (
    INVALIDATE_LOCK,
    INVALIDATE_UNLOCK,
    LOCK,
    SET_SIZE,
    SIZE,
    UNLOCK,
    Filesystem,
)

KERNEL = "6.9"
KIND = "interleaving"


class SizeSetAfterTruncation(Filesystem):
    component = "filesystem"

    async def do_truncate(self, cpu: int, file: int, size: int) -> None:
        """Two lines are turned round."""
        await self.m.down_write(LOCK, self.inode_lock, file)
        old = await self.m.load(SIZE, self.i_size, file)
        await self.m.down_write(INVALIDATE_LOCK, self.invalidate_lock, file)
        await self.k.truncate.truncate_pagecache(cpu, file, size)
        await self.m.store(SET_SIZE, self.i_size, file, size)
        first, end = -(-size // self.g.page_size), -(-old // self.g.page_size)
        await self.free_blocks(file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        if size < old and size % self.g.page_size:
            await self.zero_behind(cpu, file, size // self.g.page_size)
        await self.m.up_write(INVALIDATE_UNLOCK, self.invalidate_lock, file)
        self.k.checks.truncated(file)
        await self.m.up_write(UNLOCK, self.inode_lock, file)
