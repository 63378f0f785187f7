"""munmap() of a mapping, or of its upper half, while another thread gives up its pages with
MADV_DONTNEED and a third one stores to it.

Whoever comes second finds another VMA, a shorter one, or none: MADV_DONTNEED looks its VMA up under
the lock under which it zaps, and munmap, once it has given write access up, zaps what is detached
beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class MunmapVsDontneed(Scenario):
    """``order``: of the folio; ``half``: the upper half alone is unmapped, so that the VMA is cut;
    ``file``: the pages are those of a shared file.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(half=(1, 0), file=(0, 1), order=orders(profile, geometry, pages_max=16))

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        nr = self.nr
        pages = {"files": 1, "file_pages": nr} if self.params["file"] else {}
        return World(cpus=3, vpages=whole_blocks(self.g, nr), pages=4 * nr + 24, vmas=4, tables=4, anon_vmas=2, **pages)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join
        yield 2, self.join_too

    async def prepare(self) -> None:
        """Map and fill the range."""
        task = self.task(0)
        await start(task, 0)
        if self.params["file"]:
            await read_in(task, 0, self.nr, self.params["order"])
            await task.mmap(0, self.nr, file=0, shared=True)
        else:
            await map_and_fill(task, self.nr, self.params["order"])

    async def join(self) -> None:
        """The thread that gives pages up has stored to the last one."""
        await start(self.task(1), 0)
        await self.task(1).store(self.nr - 1)

    async def join_too(self) -> None:
        """The third has stored to the first."""
        await start(self.task(2), 0)
        await self.task(2).store(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("dontneed", 1, self.dontneed), ("store", 2, self.store)]

    async def munmap(self) -> None:
        first = self.nr // 2 if self.params["half"] else 0
        await self.task(0).munmap(first, self.nr - first)

    async def dontneed(self) -> None:
        await self.task(1).dontneed(0, self.nr)

    async def store(self) -> None:
        """Store to a page that stays, or may be gone: the thread goes on after a fault."""
        await self.task(2).store(0)
