"""A fork that has failed does not flush the parent.

dup_mmap() (mm/mmap.c) goes through flush_tlb_mm(oldmm) in either case: what it has write-protected
is write-protected, whether there is a child or not.
"""

from __future__ import annotations

from sim.mm.fork import UNLOCK, UNLOCK_CHILD
from sim.versions.v7_3.fork import Fork73

KERNEL = "7.3-flushfirst"
KIND = "interleaving"
GUARDS = ("failed-fork",)


class FailedForkDoesNotFlush(Fork73):
    component = "fork"

    async def fail_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """There is no child that could see what is written."""
        await self.m.up_write(UNLOCK_CHILD, self.mmap_lock, dst)
        await self.k.mmap_lock.mmap_write_unlock(UNLOCK, src)
        await self.k.mmap.exit_mmap(cpu, dst)
