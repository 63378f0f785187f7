"""The child may run before the parent's write-protected entries have been flushed.

dup_mmap() (kernel/fork.c, 6.9) flushes the parent's TLBs at its end, and copy_process() makes the
child runnable after that: until the flush, threads of the parent write into pages that are shared.
"""

from __future__ import annotations

from sim.mm.fork import LOCK, LOCK_CHILD, PUBLISH, UNLOCK, UNLOCK_CHILD, Fork

KERNEL = "6.9"
KIND = "interleaving"


class ChildPublishedBeforeFlush(Fork):
    component = "fork"

    async def dup_mmap(self, cpu: int, src: int, dst: int, may_fail: bool = False) -> bool:
        """The child is published as soon as its address space is complete."""
        await self.m.down_write(LOCK, self.mmap_lock, src)
        await self.m.down_write(LOCK_CHILD, self.mmap_lock, dst)
        self.mm_order[dst] = self.mm_order[src]
        for vma in self.k.mm_types.vmas_in(src, 0, self.w.vpages):
            await self.dup_vma(cpu, vma, src, dst)
        await self.m.up_write(UNLOCK_CHILD, self.mmap_lock, dst)
        await self.m.store(PUBLISH, self.mm_users, dst, 1)
        await self.flush_parent(cpu, src)
        await self.k.mmap_lock.mmap_write_unlock(UNLOCK, src)
        return True
