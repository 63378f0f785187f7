"""fork() of a process runs out of memory after some VMAs, while another thread stores and the pages
that the half-built child maps are written out and aged.

What is there of the child is found by rmap walks until it has been taken down: by exit_mmap, or, in
7.3, inside dup_mmap. Whether the fork fails, and where, is drawn. The parent's entries stay
write-protected, and its TLBs are flushed all the same.
"""

from __future__ import annotations

from scenarios.fork_vs_writeback import ForkVsWriteback


class ForkFails(ForkVsWriteback):
    """The parameters are those of fork_vs_writeback."""

    async def fork(self) -> None:
        if not await self.task(0).fork_may_fail(1):
            await self.task(0).store(self.nr + 1)

    async def writeback(self) -> None:
        await super().writeback()
        await self.task(2).age_anon()
