"""fork() while two other threads of the parent store to one page: one through the TLB entry that it
has, the other by a page fault.

fork write-protects the page, and flushes at its very end: until then the first thread goes on
writing to a page that is shared already. The other thread's write fault must wait for that flush:
it would copy the page, and what the first thread stores between the copy and the flush of the
copied entry would be lost. What makes it wait is the lock of the VMA, which fork has locked for
writing.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._forking import Forking
from sim.setup import start
from stress.scenario import Body


class ForkVsWriters(Forking):
    """CPU 1 has page 0 in its TLB, CPU 2 has not; the child never runs."""

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield from super().setup()
        yield 2, self.join_cold

    async def join_cold(self) -> None:
        """A third thread has touched nothing."""
        await start(self.task(2), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("warm", 1, self.other), ("cold", 2, self.cold)]

    async def other(self) -> None:
        for _ in range(6):
            await self.task(1).store(0)

    async def cold(self) -> None:
        """Store to the same page, and to another."""
        await self.task(2).store(0)
        await self.task(2).store(self.nr - 1)
