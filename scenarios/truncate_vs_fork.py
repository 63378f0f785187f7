"""A file is truncated, punched or written to directly while a process that maps it forks.

The removal holds no mmap lock: it zaps in the parent while fork copies from it, and in the child
while fork fills it. It finds the child, which is linked behind its parent before anything is
copied, so that what it takes from the parent is either not copied or found in the child. Copies of
the private mapping's file pages, and private copies behind the end of the file, must be gone when
truncation is over.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, PUNCH, TRUNCATE, remove
from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class TruncateVsFork(Scenario):
    """``how``: the pages are removed from the cache; ``order``: of the folios; ``holes``: VMAs were
    unmapped before, so that the child's come before the parent's in memory.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=8), holes=(0, 1), how=(TRUNCATE, PUNCH, DIRECT))

    @property
    def nr(self) -> int:
        """Pages of the file, which is mapped twice."""
        return max(4, 1 << self.params["order"])

    def world(self) -> World:
        nr = self.nr
        return World(
            cpus=3, mms=2, vpages=whole_blocks(self.g, 3 * nr), pages=8 * nr + 32, vmas=8, files=1, file_pages=nr
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        """Map the file shared and private; copy its last page."""
        task, nr = self.task(0), self.nr
        await start(task, 0)
        await read_in(task, 0, nr, self.params["order"])
        if self.params["holes"]:
            await task.mmap(2 * nr, 1)
            await task.mmap(2 * nr + 2, 1)
        await task.mmap(0, nr, file=0, shared=True)
        await task.mmap(nr, nr, file=0)
        for addr in range(2 * nr):
            await task.load(addr)
        await task.store(nr - 1)
        await task.store(2 * nr - 1)
        if self.params["holes"]:
            await task.munmap(2 * nr, 3)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("child", 1, self.child), ("remove", 2, self.remove)]

    async def fork(self) -> None:
        """Fork, and use what may have been removed."""
        await self.task(0).fork(1)
        await self.task(0).store(2 * self.nr - 2)
        await self.task(0).load(self.nr - 1)

    async def child(self) -> None:
        """Use both mappings, and exit."""
        task = self.task(1)
        await task.born(1)
        await task.load(2 * self.nr - 1)
        await task.store(self.nr)
        await task.load(self.nr - 2)
        await task.exit()

    async def remove(self) -> None:
        """Remove the pages; a truncated file grows again."""
        task = self.task(2)
        await remove(task, self.params["how"], self.nr)
        if self.params["how"] == TRUNCATE:
            await task.ftruncate(0, self.nr * self.g.page_size)
