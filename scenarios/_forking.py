"""What the races with fork share: a process of two threads over private memory, one of which forks;
and the child.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, orders, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class Forking(Scenario):
    """CPU 0 forks mm 0 into mm 1, CPU 1 runs another thread of mm 0, CPU 2 the child.

    ``order``: of the folios.
    """

    choices: dict[str, tuple[int, ...]] = {}
    """What a scenario rotates besides the order."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), **cls.choices)

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    @property
    def warm(self) -> int:
        """The page that the other thread can write through its TLB from the start."""
        return 0

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=whole_blocks(self.g, self.nr), pages=6 * self.nr + 16, vmas=6, anon_vmas=2)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill."""
        await map_and_fill(self.task(0), self.nr, self.params["order"])

    async def join(self) -> None:
        """The other thread has written."""
        await start(self.task(1), 0)
        await self.task(1).store(self.warm)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("other", 1, self.other), ("child", 2, self.child)]

    async def fork(self) -> None:
        """Fork."""
        await self.task(0).fork(1)

    async def other(self) -> None:
        """What the other thread does meanwhile."""
        raise NotImplementedError

    async def child(self) -> None:
        """What the child does once it is born."""
        raise NotImplementedError
