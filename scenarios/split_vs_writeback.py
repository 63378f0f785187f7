"""munmap() of a page in the middle of a shared file mapping, which cuts the VMA, while the pages
above it are written out or removed from the page cache.

A VMA that is cut ends at the cut before the new one begins there. Both happen under i_mmap_lock
and, for anonymous memory, the anon_vma's: a walk of the reverse map finds every page in one of the
two (vma_prepare, vma_complete).
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import PUNCH, TRUNCATE, remove
from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

WRITE_OUT = 9
"""Behind the removals: the file is written out, and all of its pages stay."""


class SplitVsWriteback(Scenario):
    """``how``: the page cache is written out, or loses its pages; ``order``: of the folios."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(how=(WRITE_OUT, PUNCH, TRUNCATE), order=orders(profile, geometry, pages_max=16))

    @property
    def nr(self) -> int:
        """Pages of the mapping; the second is unmapped, and the last is stored to."""
        return max(4, 1 << self.params["order"])

    def world(self) -> World:
        nr = self.nr
        return World(
            cpus=3, vpages=whole_blocks(self.g, nr), pages=4 * nr + 20, vmas=5, tables=4, files=1, file_pages=nr
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map the file, and read its last page."""
        task = self.task(0)
        await start(task, 0)
        await read_in(task, 0, self.nr, self.params["order"])
        await task.mmap(0, self.nr, file=0, shared=True)
        await task.load(self.nr - 1)

    async def join(self) -> None:
        """The storing thread has made the last page dirty."""
        await start(self.task(1), 0)
        await self.task(1).store(self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("store", 1, self.store), ("pages", 2, self.pages)]

    async def munmap(self) -> None:
        await self.task(0).munmap(1, 1)

    async def store(self) -> None:
        """Store, which may be a bus error by then."""
        await self.task(1).store(self.nr - 1)

    async def pages(self) -> None:
        if self.params["how"] == WRITE_OUT:
            await self.task(2).write_back(0, 0)
        else:
            await remove(self.task(2), self.params["how"], self.nr)
