"""Two MADV_DONTNEED calls with overlapping ranges, from two threads of one process.

The second finds PTEs that the first has cleared and not yet flushed: it clears nothing there, and
yet on its return no CPU may use what the range held (``mm_tlb_flush_nested``: a gather that
finishes while another is open flushes everything). Each thread then reads its range again. A large
folio is shared out between the two: its mapcounts and references go in two batches that know
nothing of each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, orders, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class DontneedVsDontneed(Scenario):
    """``order``: of the folios; ``overlap``: 0 the ranges meet, 1 they overlap by half, 2 they are
    the same.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), overlap=(1, 2, 0))

    @property
    def nr(self) -> int:
        """Pages mapped: at least four."""
        return max(4, 1 << self.params["order"])

    def world(self) -> World:
        return World(vpages=whole_blocks(self.g, self.nr), pages=4 * self.nr + 16, vmas=2, anon_vmas=1)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill."""
        await map_and_fill(self.task(0), self.nr, self.params["order"])

    async def join(self) -> None:
        """The other thread has used the middle."""
        await start(self.task(1), 0)
        await self.task(1).load(self.nr // 2)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("low", 0, self.low), ("high", 1, self.high)]

    async def low(self) -> None:
        end = (self.nr // 2, self.nr * 3 // 4, self.nr)[self.params["overlap"]]
        await self.task(0).dontneed(0, end)
        await self.task(0).load(end - 1)

    async def high(self) -> None:
        start = (self.nr // 2, self.nr // 4, 0)[self.params["overlap"]]
        await self.task(1).dontneed(start, self.nr - start)
        await self.task(1).load(start)
