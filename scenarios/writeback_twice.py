"""A folio is written out twice, while it is stored to.

The second write-out finds the folio dirty again while the first is still on its way to the disk. It
waits for PG_writeback before it begins: of two at once the older may be the last to arrive. The
store between the two must make the folio dirty again, although it is under writeback.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class WritebackTwice(Scenario):
    """``order``: of the folio."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=16))

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(
            cpus=3, vpages=whole_blocks(self.g, self.nr), pages=3 * self.nr + 8, vmas=2, files=1, file_pages=self.nr
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        """Map the file, and make its first page dirty."""
        task = self.task(0)
        await start(task, 0)
        await read_in(task, 0, self.nr, self.params["order"])
        await task.mmap(0, self.nr, file=0, shared=True)
        await task.store(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("store", 0, self.store), ("writer", 1, self.writer), ("other", 2, self.other)]

    async def store(self) -> None:
        await self.task(0).store(0)
        await self.task(0).store(self.nr - 1)

    async def writer(self) -> None:
        await self.task(1).write_back(0, 0)

    async def other(self) -> None:
        await self.task(2).write_back(0, 0)
