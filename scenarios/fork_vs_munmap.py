"""fork() in one thread, munmap() of part of the memory in another, and the child, which writes and exits.

fork and munmap exclude each other by the mmap lock, but munmap's zap runs downgraded and the child runs while it does: parent and child drop
mappings of the same folios with no lock in common. Mapcounts and references must come out right whoever is last, a page must stop being
exclusive before the child maps it, and the child's write must copy as long as the parent's gather still holds a reference.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, rotate, whole_blocks
from sim.profile import Profile, World
from stress.scenario import Body, Scenario


class ForkVsMunmap(Scenario):
    """``order``: of the folios; ``half``: which half of the memory is unmapped, 2 for all."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), half=(0, 1, 2))

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=whole_blocks(self.g, self.nr), pages=6 * self.nr + 16, vmas=6, anon_vmas=2)

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
        return [("fork", 0, self.fork), ("munmap", 1, self.munmap), ("child", 2, self.child)]

    async def fork(self) -> None:
        await self.task(0).fork(1)

    async def munmap(self) -> None:
        half = self.params["half"]
        await self.task(1).munmap(self.nr // 2 if half == 1 else 0, self.nr if half == 2 else self.nr // 2)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).store(0)
        await self.task(2).exit()
