"""A file is truncated, punched or written to directly while one of its folios is written out, and a
thread stores to it.

Write-out cleans the folio under its lock and lets the lock go before the data is on the disk;
whoever removes the folio waits for PG_writeback under the lock, and only then frees the block, or
writes it directly. What write-out has looked up may be gone when it gets the lock.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, PUNCH, TRUNCATE, remove
from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class TruncateVsWriteback(Scenario):
    """``how``: the pages are removed from the cache; ``order``: of the folios. Of large folios the
    first reaches out of what is removed, and is removed in part.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        larger_first = orders(profile, geometry, pages_max=16)[::-1]
        return rotate(order=larger_first, how=(TRUNCATE, DIRECT, PUNCH))

    @property
    def nr(self) -> int:
        """Pages of the file: two folios, at least."""
        return 2 << self.params["order"]

    def world(self) -> World:
        nr = self.nr
        return World(cpus=3, vpages=whole_blocks(self.g, nr), pages=4 * nr + 24, vmas=2, files=1, file_pages=nr)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        """Map the file, and store to its first and its last page."""
        task = self.task(0)
        await start(task, 0)
        await read_in(task, 0, self.nr, self.params["order"])
        await task.mmap(0, self.nr, file=0, shared=True)
        await task.store(0)
        await task.store(self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("store", 0, self.store), ("writeback", 1, self.writeback), ("remove", 2, self.remove)]

    async def store(self) -> None:
        await self.task(0).store(self.nr - 1)
        await self.task(0).load(0)
        await self.task(0).store(0)

    async def writeback(self) -> None:
        """Write out the last folio and the first; age what is there."""
        await self.task(1).write_back(0, self.nr - 1)
        await self.task(1).age(0, self.nr - 1)
        await self.task(1).write_back(0, 0)

    async def remove(self) -> None:
        """Remove the pages; a truncated file grows again."""
        task = self.task(2)
        await remove(task, self.params["how"], self.nr)
        if self.params["how"] == TRUNCATE:
            await task.ftruncate(0, self.nr * self.g.page_size)
