"""munmap() of anonymous memory while another CPU of the same process loads from it and stores to
it.

The smallest race there is: the zapper clears PTEs under the PTL, drops it, and flushes later, in
``tlb_finish_mmu``; the other CPU uses what its TLB holds until its invalidation has been
acknowledged. Were a page freed before that, the other CPU would read, or write, whatever the page
has become. With a large folio the whole run of PTEs is cleared, and its references are put in one
step.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, orders, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class MunmapVsAccess(Scenario):
    """``order``: of the one folio; ``store``: whether the other CPU stores."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry), store=(0, 1))

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(vpages=whole_blocks(self.g, self.nr), pages=4 * self.nr + 8, vmas=2, anon_vmas=1)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill."""
        await map_and_fill(self.task(0), self.nr, self.params["order"])

    async def join(self) -> None:
        """The other thread has used the memory: its TLB is warm."""
        await start(self.task(1), 0)
        await self.task(1).store(self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("access", 1, self.access)]

    async def munmap(self) -> None:
        await self.task(0).munmap(0, self.nr)

    async def access(self) -> None:
        access = self.task(1).store if self.params["store"] else self.task(1).load
        await access(self.nr - 1)
