"""The child may run before the parent's write-protected entries have been flushed.

dup_mmap() (kernel/fork.c, 6.9) flushes the parent's TLBs at its end, and copy_process() makes the
child runnable after that: until the flush, threads of the parent write into pages that are shared.
"""

from __future__ import annotations

from sim.mm.fork import Fork

KERNEL = "6.9"
KIND = "interleaving"


class ChildPublishedBeforeFlush(Fork):
    component = "fork"

    async def finish_and_publish(self, cpu: int, src: int, dst: int) -> None:
        """The child is published as soon as its address space is complete."""
        await self.publish(dst)
        await self.finish_dup_mmap(cpu, src, dst)
