"""A parent and its forked children go away at the same time, sharing anonymous and file folios.

Each tears its own page tables down under its own locks; they meet on mapcounts, references, the
deferred-split queue and the LRU alone. The last to drop a mapping must be the one that sees it, the
last to put a reference the one that frees, and a whole-mm teardown may clear PTEs without atomics
and (on arm64) without a flush only because no CPU runs on the mm any more. The third process unmaps
instead of exiting.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class TeardownOfSharers(Scenario):
    """``order``: of the folios; ``dirty``: whether the file pages have been written through the
    mapping.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=32), dirty=(0, 1))

    @property
    def nr(self) -> int:
        """Pages of either kind."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(
            cpus=3,
            mms=3,
            vpages=whole_blocks(self.g, 2 * self.nr),
            pages=6 * self.nr + 32,
            vmas=6,
            anon_vmas=1,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.first_child
        yield 2, self.second_child

    async def prepare(self) -> None:
        """Fill both mappings, fork twice."""
        task, order = self.task(0), self.params["order"]
        await start(task, 0)
        await read_in(task, 0, self.nr, order)
        await task.mmap(0, self.nr, order)
        await task.mmap(self.nr, self.nr, file=0, shared=True)
        await fill(task, 0, self.nr, order)
        await self._touch_file(0)
        await task.fork(1)
        await task.fork(2)

    async def _touch_file(self, cpu: int) -> None:
        for addr in range(self.nr, 2 * self.nr):
            await (self.task(cpu).store if self.params["dirty"] else self.task(cpu).load)(addr)

    async def first_child(self) -> None:
        """The first child maps the file too."""
        await self.task(1).born(1)
        await self._touch_file(1)

    async def second_child(self) -> None:
        """The second has read the anonymous memory."""
        await self.task(2).born(2)
        await self.task(2).load(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("parent", 0, self.parent), ("child", 1, self.child), ("unmapper", 2, self.unmapper)]

    async def parent(self) -> None:
        await self.task(0).exit()

    async def child(self) -> None:
        await self.task(1).exit()

    async def unmapper(self) -> None:
        await self.task(2).munmap(0, 2 * self.nr)
