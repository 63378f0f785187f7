"""fork() while two other threads of the parent store to one page: one through the TLB entry that it
has, the other by a page fault.

fork write-protects the page, and flushes at its very end: until then the first thread goes on
writing to a page that is shared already. The other thread's write fault must wait for that flush:
it would copy the page, and what the first thread stores between the copy and the flush of the
copied entry would be lost. What makes it wait is the lock of the VMA, which fork has locked for
writing. A second VMA, which fork copies next, gives them time.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._forking import Forking
from scenarios._shapes import fill, whole_blocks
from sim.core.profile import World
from sim.setup import start
from stress.scenario import Body

MORE = 6
"""Pages of the second VMA."""

STORES = 48
"""Of the first thread: each is a step, as long as it has its entry."""


class ForkVsWriters(Forking):
    """CPU 1 has page 0 in its TLB, CPU 2 has not; the child never runs."""

    @property
    def second(self) -> int:
        """Where the second VMA begins: a page behind the first."""
        return self.nr + 1

    def world(self) -> World:
        vpages = whole_blocks(self.g, self.second + MORE)
        return World(cpus=3, mms=2, vpages=vpages, pages=6 * self.nr + 4 * MORE + 16, vmas=6, anon_vmas=3)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield from super().setup()
        yield 2, self.join_cold

    async def prepare(self) -> None:
        await super().prepare()
        await self.task(0).mmap(self.second, MORE)
        await fill(self.task(0), self.second, MORE, 0)

    async def join_cold(self) -> None:
        """A third thread has touched nothing."""
        await start(self.task(2), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("warm", 1, self.other), ("cold", 2, self.cold)]

    async def other(self) -> None:
        for _ in range(STORES):
            await self.task(1).store(0)

    async def cold(self) -> None:
        """Look at the second VMA, then store to the same page."""
        for page in range(self.second, self.second + MORE):
            await self.task(2).load(page)
        await self.task(2).store(0)
