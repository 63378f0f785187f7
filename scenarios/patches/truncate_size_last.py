"""Truncation stores the new i_size when the page cache is empty, not before.

truncate_setsize() (mm/truncate.c, 6.9) stores it first: faults that find no folio would read the
old pages in again.
"""

from __future__ import annotations

from sim.mm.filesystem import INVALIDATE_LOCK, INVALIDATE_UNLOCK, LOCK, SET_SIZE, SIZE, UNLOCK, Filesystem

KERNEL = "6.9"
KIND = "interleaving"


class TruncateSizeLast(Filesystem):
    component = "filesystem"

    async def do_truncate(self, cpu: int, file: int, size: int) -> None:
        """Drop what lies behind, then say so."""
        await self.m.down_write(LOCK, self.inode_lock, file)
        old = await self.m.load(SIZE, self.i_size, file)
        await self.m.down_write(INVALIDATE_LOCK, self.invalidate_lock, file)
        await self.k.truncate.truncate_pagecache(cpu, file, size)
        await self.m.store(SET_SIZE, self.i_size, file, size)
        await self.free_blocks(file, -(-size // self.g.page_size), -(-old // self.g.page_size))
        if size < old and size % self.g.page_size:
            await self.zero_behind(cpu, file, size // self.g.page_size)
        await self.m.up_write(INVALIDATE_UNLOCK, self.invalidate_lock, file)
        self.k.checks.truncated(file)
        await self.m.up_write(UNLOCK, self.inode_lock, file)
