"""Two threads remove pages of one file from the page cache at once, by truncation, a hole, or a
direct write, while a third uses a mapping of them.

The inode's lock keeps the two apart, so the second finds pages gone that it was called for, or a
file that has become shorter; the user of the mapping finds no page, and reads it in again.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, PUNCH, TRUNCATE, remove
from scenarios._shapes import read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

PAGES = 3
"""Of the file."""


class TwoRemovals(Scenario):
    """``one``, ``other``: how the two remove."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(one=(PUNCH, DIRECT, TRUNCATE), other=(DIRECT, PUNCH, TRUNCATE))

    def world(self) -> World:
        return World(cpus=3, vpages=whole_blocks(self.g, PAGES), pages=32, vmas=2, tables=4, files=1, file_pages=4)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        """Map the file, and store to all but the first of its pages: there is data to be lost."""
        await start(self.task(0), 0)
        await read_in(self.task(0), 0, PAGES, 0)
        await self.task(0).mmap(0, PAGES, file=0, shared=True)
        for addr in range(1, PAGES):
            await self.task(0).store(addr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("use", 0, self.use), ("one", 1, self.one), ("other", 2, self.other)]

    async def use(self) -> None:
        """Use two pages, which may be bus errors."""
        await self.task(0).store(1)
        await self.task(0).load(2)

    async def one(self) -> None:
        await remove(self.task(1), self.params["one"], PAGES)

    async def other(self) -> None:
        await remove(self.task(2), self.params["other"], PAGES)
