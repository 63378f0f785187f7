"""A file is truncated without the lock that keeps faults from reading pages in again.

ext4_setattr() (fs/ext4/inode.c, 6.9) holds invalidate_lock for writing from the new size on until
the blocks are freed.
"""

from __future__ import annotations

from sim.mm.filesystem import LOCK, SET_SIZE, SIZE, UNLOCK, Filesystem

KERNEL = "6.9"
KIND = "interleaving"


class TruncateLetsFaultsIn(Filesystem):
    component = "filesystem"

    async def do_truncate(self, cpu: int, file: int, size: int) -> None:
        """The inode lock is held, and that is taken to be enough."""
        await self.m.down_write(LOCK, self.inode_lock, file)
        old = await self.m.load(SIZE, self.i_size, file)
        await self.m.store(SET_SIZE, self.i_size, file, size)
        await self.k.truncate.truncate_pagecache(cpu, file, size)
        first, end = -(-size // self.g.page_size), -(-old // self.g.page_size)
        await self.free_blocks(file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        if size < old and size % self.g.page_size:
            await self.zero_behind(cpu, file, size // self.g.page_size)
        self.k.checks.truncated(file)
        await self.m.up_write(UNLOCK, self.inode_lock, file)
