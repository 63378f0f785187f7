"""fork() while another thread of the parent stores, and then the child stores too.

fork write-protects the parent's PTEs one by one and flushes once, at the very end: until then the other thread goes on writing through stale
entries into pages that are shared already (no harm, as the child does not run yet). Its faults wait for the mmap lock. After the flush both
sides fault, and copy or reuse: at most one of them may take the page over, and only when nobody else has a reference.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, rotate, whole_blocks
from sim.profile import Profile, World
from stress.scenario import Body, Scenario


class ForkVsFault(Scenario):
    """``order``: of the folio."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64))

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=whole_blocks(self.g, self.nr), pages=6 * self.nr + 16, vmas=2, anon_vmas=2)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill."""
        await self.task(0).start(0)
        await self.task(0).mmap(0, self.nr, self.params["order"])
        await fill(self.task(0), 0, self.nr, self.params["order"])

    async def join(self) -> None:
        """The other thread can write through its TLB."""
        await self.task(1).start(0)
        await self.task(1).store(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("store", 1, self.store), ("child", 2, self.child)]

    async def fork(self) -> None:
        await self.task(0).fork(1)

    async def store(self) -> None:
        await self.task(1).store(0)
        await self.task(1).store(self.nr - 1)
        await self.task(1).store(0)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).load(self.nr - 1)
        await self.task(2).store(0)
