"""The last block of a hole is not freed.

ext4_punch_hole() (fs/ext4/inode.c, 6.9) frees the blocks up to the first behind the hole, which is
not the last of them.
"""

from __future__ import annotations

from sim.mm.filesystem import (
    PUNCH_INVALIDATE_LOCK,
    PUNCH_INVALIDATE_UNLOCK,
    PUNCH_LOCK,
    PUNCH_UNLOCK,
    Filesystem,
)

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("hole-punch", "O38")


class HoleKeepsLastBlock(Filesystem):
    component = "filesystem"

    async def punch_hole(self, cpu: int, file: int, first: int, end: int) -> None:
        """stop_block is taken for a block of the hole."""
        await self.m.down_write(PUNCH_LOCK, self.inode_lock, file)
        await self.m.down_write(PUNCH_INVALIDATE_LOCK, self.invalidate_lock, file)
        self.k.checks.punching(cpu, first, end)
        await self.k.truncate.truncate_pagecache_range(cpu, file, first, end)
        await self.free_blocks(file, first, end - 1)
        self.k.checks.hole_made(cpu, file, first, end)
        await self.m.up_write(PUNCH_INVALIDATE_UNLOCK, self.invalidate_lock, file)
        await self.m.up_write(PUNCH_UNLOCK, self.inode_lock, file)
