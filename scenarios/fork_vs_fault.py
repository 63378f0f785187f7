"""fork() while another thread of the parent stores, and then the child stores too.

fork write-protects the parent's PTEs one by one and flushes once, at the very end: until then the
other thread goes on writing through stale entries into pages that are shared already (no harm, as
the child does not run yet). Its faults wait for the mmap lock. After the flush both sides fault,
and copy or reuse: at most one of them may take the page over, and only if there is no other
reference.
"""

from __future__ import annotations

from scenarios._forking import Forking


class ForkVsFault(Forking):
    """The other thread stores; parent and child fault."""

    async def other(self) -> None:
        await self.task(1).store(0)
        await self.task(1).store(self.nr - 1)
        await self.task(1).store(0)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).load(self.nr - 1)
        await self.task(2).store(0)
