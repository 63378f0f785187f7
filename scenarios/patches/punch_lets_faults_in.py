"""A hole is punched without the lock that keeps faults from reading pages in again.

Hole punching holds invalidate_lock for writing while pages and then blocks go (ext4_punch_hole,
filemap_invalidate_lock, 6.9): a page that is read in between has what the freed block held.
"""

from __future__ import annotations

from sim.mm.filesystem import PUNCH_LOCK, PUNCH_UNLOCK, Filesystem

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("hole-punch", "O38")


class PunchLetsFaultsIn(Filesystem):
    component = "filesystem"

    async def punch_hole(self, cpu: int, file: int, first: int, end: int) -> None:
        """The inode lock is held, and that is taken to be enough."""
        await self.m.down_write(PUNCH_LOCK, self.inode_lock, file)
        self.k.checks.punching(cpu, first, end)
        await self.k.truncate.truncate_pagecache_range(cpu, file, first, end)
        await self.free_blocks(file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        await self.m.up_write(PUNCH_UNLOCK, self.inode_lock, file)
