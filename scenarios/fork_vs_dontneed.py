"""fork() in one thread, MADV_DONTNEED in another, and the child, which drops its own copy of the same range.

DONTNEED needs the mmap lock for reading only, fork for writing: they take turns, in either order, and the range that the parent drops after
the fork is one whose PTEs have just been write-protected and flushed. Then parent and child zap the same folios at once, under different
PTLs, and the parent's thread faults the range in again.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, rotate, whole_blocks
from sim.profile import Profile, World
from stress.scenario import Body, Scenario


class ForkVsDontneed(Scenario):
    """``order``: of the folio; ``middle``: only its middle is dropped."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), middle=(0, 1))

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=whole_blocks(self.g, self.nr), pages=6 * self.nr + 16, vmas=4, anon_vmas=2)

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
        await self.task(1).store(self.nr // 2)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("dontneed", 1, self.dontneed), ("child", 2, self.child)]

    def _range(self) -> tuple[int, int]:
        return (self.nr // 4, max(1, self.nr // 2)) if self.params["middle"] else (0, self.nr)

    async def fork(self) -> None:
        await self.task(0).fork(1)

    async def dontneed(self) -> None:
        await self.task(1).dontneed(*self._range())
        await self.task(1).store(self.nr // 2)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).dontneed(*self._range())
