"""A hole is punched into the blocks of a file first, and into its cache then.

Hole punching drops the pages, and then frees the blocks (ext4_punch_hole, 6.9): a dirty page that
is written out in between would give the hole its block back.
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
KIND = "interleaving"
GUARDS = ("hole-punch", "O38")


class PunchFreesBlocksFirst(Filesystem):
    component = "filesystem"

    async def punch_hole(self, cpu: int, file: int, first: int, end: int) -> None:
        """Two lines are turned round."""
        await self.m.down_write(PUNCH_LOCK, self.inode_lock, file)
        await self.m.down_write(PUNCH_INVALIDATE_LOCK, self.invalidate_lock, file)
        self.k.checks.punching(cpu, first, end)
        await self.free_blocks(file, first, end)
        await self.k.truncate.truncate_pagecache_range(cpu, file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        await self.m.up_write(PUNCH_INVALIDATE_UNLOCK, self.invalidate_lock, file)
        await self.m.up_write(PUNCH_UNLOCK, self.inode_lock, file)
