"""Folios of all orders side by side, adjacent in the address space and in memory, zapped in one go.

Two folios of one order lie so that the page after the last of the first is the first of the second,
and so do their PTEs: only the folio's end stops a batch there. A batch that ran on would drop the
neighbour's mappings from the wrong folio's counters. Small folios, which never batch, follow
directly. The zap may begin and end in the middle of folios, and another CPU writes to the
neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import add_file_folio, start
from stress.scenario import Body, Scenario

FOLIO_PAGES_MAX = 16
SINGLES = 3


class MixedOrders(Scenario):
    """``file``: 1 for a shared file mapping; ``cut``: 0 zaps all, 1 from inside the first folio to
    inside the second, 2 all but the ends.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(file=(0, 1), cut=(1, 0, 2))

    @property
    def layout(self) -> list[int]:
        """The orders of the folios, in address order: two of each, largest first, then singles."""
        large = [order for order in self.g.orders if order and 1 << order <= FOLIO_PAGES_MAX]
        return sorted({large[0], large[-1]}, reverse=True)

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return sum(2 << order for order in self.layout) + SINGLES

    def world(self) -> World:
        vpages = whole_blocks(self.g, self.nr + len(self.layout))
        return World(
            vpages=vpages,
            pages=3 * self.nr + 16,
            vmas=6,
            tables=2 * (vpages // self.g.ptrs_per_pte + 1),
            anon_vmas=2,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.map_file if self.params["file"] else self.map_anonymous
        yield 1, self.join

    async def map_anonymous(self) -> None:
        """Fill from the end with rising orders: each mmap of one more page raises the order."""
        task, end = self.task(0), self.nr
        await start(task, 0)
        await task.mmap(0, self.nr)
        await fill(task, end - SINGLES, SINGLES, 0)
        end -= SINGLES
        for k, order in enumerate(reversed(self.layout)):
            await task.mmap(self.nr + k, 1, order)
            await fill(task, end - (2 << order), 2 << order, order)
            end -= 2 << order

    async def map_file(self) -> None:
        """The page cache takes any order; the pages are read, and one is written."""
        task, index = self.task(0), 0
        await start(task, 0)
        for order in [*(o for o in self.layout for _ in range(2)), *(0 for _ in range(SINGLES))]:
            await add_file_folio(task, 0, index, order)
            index += 1 << order
        await task.mmap(0, self.nr, file=0, shared=True)
        for addr in range(self.nr):
            await task.load(addr)
        await task.store(1 << self.layout[0])

    async def join(self) -> None:
        """The other thread has used the second folio."""
        await start(self.task(1), 0)
        await self.task(1).store((1 << self.layout[0]) + 1)

    def cut(self) -> tuple[int, int]:
        """Return the first page and the number of pages to zap."""
        first = 1 << self.layout[0]
        return ((0, self.nr), (first // 2, first), (1, self.nr - 2))[self.params["cut"]]

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("zap", 0, self.zap), ("access", 1, self.access)]

    async def zap(self) -> None:
        await (self.task(0).dontneed if self.params["cut"] == 1 else self.task(0).munmap)(*self.cut())

    async def access(self) -> None:
        await self.task(1).store((1 << self.layout[0]) + 1)
        await self.task(1).load(self.nr - 1)
