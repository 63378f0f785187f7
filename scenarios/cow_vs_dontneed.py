"""Write faults after a fork, which copy or reuse, while a second thread drops the range and the
child drops or exits.

``wp_page_copy`` copies with only a reference in hand and looks again under the PTL;
``wp_can_reuse_anon_folio`` takes a page over if its refcount says that there is no other reference.
References that sit in a gather, or an LRU batch, keep the count up: then a copy is made that would
not be needed, never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, orders, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class CowVsDontneed(Scenario):
    """``order``: of the folio; ``exit``: the child exits instead of dropping the range;
    ``drained``: no LRU batch has a reference when the threads begin.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        sizes = orders(profile, geometry, pages_max=64)
        first, *others = rotate(order=sizes, exit=(0, 1), drained=(0,))
        return [first, *rotate(order=sizes[:1], exit=(0, 1), drained=(1,)), *others]

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=whole_blocks(self.g, self.nr), pages=6 * self.nr + 16, vmas=2, anon_vmas=1)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, lambda: start(self.task(1), 0)
        yield 2, self.child_join

    async def prepare(self) -> None:
        """Map, fill, fork."""
        await map_and_fill(self.task(0), self.nr, self.params["order"])
        if self.params["drained"]:
            await self.kernel.swap.lru_add_drain(0)
        await self.task(0).fork(1)

    async def child_join(self) -> None:
        """The child has read a page."""
        await self.task(2).born(1)
        await self.task(2).load(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("write", 1, self.write), ("child", 2, self.child)]

    async def dontneed(self) -> None:
        await self.task(0).dontneed(0, self.nr)

    async def write(self) -> None:
        await self.task(1).store(0)
        await self.task(1).store(0)

    async def child(self) -> None:
        if self.params["exit"]:
            await self.task(2).exit()
        else:
            await self.task(2).store(0)
            await self.task(2).dontneed(0, self.nr)
