"""Fault-around in a mapping of a file's second third, while the file is cut to half a page.

Fault-around asks twice how far the file reaches: for its window, and for each folio once that is
locked. The file may shrink before, in between and after. A folio that is locked stays in the cache
until it is let go, and what fault-around has mapped of it is found when the folio is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class AroundVsTruncate(Scenario):
    """``order``: of the file's three folios, the second of which is mapped; ``shmem``: the file
    is shared memory.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        smallest, *large = orders(profile, geometry, pages_max=16)
        return rotate(shmem=(0, 1), order=(*large, smallest))

    @property
    def nr(self) -> int:
        """Pages of a folio."""
        return 1 << self.params["order"]

    def world(self) -> World:
        nr = self.nr
        return World(cpus=2, vpages=whole_blocks(self.g, nr), pages=9 * nr + 12, vmas=1, files=1, file_pages=3 * nr)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        """Read the file in, and map its second folio."""
        task, nr, shmem = self.task(0), self.nr, self.params["shmem"] == 1
        await start(task, 0)
        await read_in(task, 0, 3 * nr, self.params["order"], shmem)
        await task.mmap(0, nr, file=0, pgoff=nr, shared=True, quiet=shmem)
        await start(self.task(1), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("load", 0, self.load), ("truncate", 1, self.truncate)]

    async def load(self) -> None:
        """Read the first page and write to the last: the first fault maps what is around it."""
        await self.task(0).load(0)
        await self.task(0).store(self.nr - 1)

    async def truncate(self) -> None:
        """Leave half a page of the file."""
        await self.task(1).ftruncate(0, self.g.page_size // 2)
