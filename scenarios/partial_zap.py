"""Zaps that cut folios in every shape: head, middle, tail, one page, whole, across two VMAs, across
the edge of a page table.

Three folios lie side by side, the first ending where a PTE table ends, the last in a VMA of its
own. A zap of part of a folio leaves the rest mapped: batches must stop at the range, the VMA and
the table, the folio must go to the deferred-split queue and stay alive, and contiguous blocks must
be unfolded first. Another CPU uses a page inside the cut and one outside.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

HEAD, MIDDLE, TAIL, SINGLE, WHOLE, TWO_VMAS, TWO_TABLES = range(7)

CUT_PAGES_MAX = 8
"""Pages on either side of an edge, however large the folio is."""


class PartialZap(Scenario):
    """``order``: of the folios; ``shape``: of the cut, HEAD to TWO_TABLES; ``file``: a shared file
    mapping instead of anonymous memory.

    If shape + file is odd, the cut is unmapped, otherwise MADV_DONTNEED drops it.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(shape=range(7), order=orders(profile, geometry, pages_max=4096), file=(0, 1))

    @property
    def size(self) -> int:
        """Pages of each third: a folio, or four."""
        return max(4, 1 << self.params["order"])

    @property
    def edge(self) -> int:
        """Where the second table begins."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        pages = 3 * self.size
        return World(
            vpages=whole_blocks(self.g, self.edge + 2 * self.size),
            pages=2 * pages + 32,
            vmas=5,
            anon_vmas=2,
            files=1,
            file_pages=pages,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        for first in (self.edge - self.size, self.edge, self.edge + self.size):
            yield 0, lambda first=first: self.fill(first)  # type: ignore[misc]
        yield 1, self.join

    async def prepare(self) -> None:
        """Make the two VMAs."""
        task, order, file = self.task(0), self.params["order"], self.params["file"] - 1
        await start(task, 0)
        if file == 0:
            await read_in(task, 0, 3 * self.size, order)
        await task.mmap(self.edge - self.size, 2 * self.size, order, file, shared=file == 0)
        await task.mmap(self.edge + self.size, self.size, order, file, 2 * self.size, shared=file == 0)

    async def fill(self, first: int) -> None:
        """Touch the pages where a cut may be. Of anonymous memory the first touch of a folio maps
        all of it.
        """
        task, pages = self.task(0), min(self.size, 4 * CUT_PAGES_MAX)
        for addr in sorted({*range(first, first + pages), *range(first + self.size - pages, first + self.size)}):
            await (task.load if self.params["file"] else task.store)(addr)

    async def join(self) -> None:
        """The other thread has used a page that the cut takes and one that it leaves."""
        await start(self.task(1), 0)
        await self.access()

    def cut(self) -> tuple[int, int]:
        """Return the first page and the number of pages to zap; the middle folio begins at the
        table's edge.
        """
        edge, size = self.edge, self.size
        half, quarter = min(size // 2, CUT_PAGES_MAX), min(size // 4, CUT_PAGES_MAX)
        return {
            HEAD: (edge, half), MIDDLE: (edge + quarter, half), TAIL: (edge + size - half, half),
            SINGLE: (edge + quarter, 1), WHOLE: (edge, size),
            TWO_VMAS: (edge + size - half, 2 * half), TWO_TABLES: (edge - half, 2 * half),
        }[self.params["shape"]]  # fmt: skip

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("zap", 0, self.zap), ("access", 1, self.access)]

    async def zap(self) -> None:
        unmap = (self.params["shape"] + self.params["file"]) % 2
        await (self.task(0).munmap if unmap else self.task(0).dontneed)(*self.cut())

    async def access(self) -> None:
        start, nr = self.cut()
        await self.task(1).store(start)
        await self.task(1).load(start + nr - 1)
        await self.task(1).load(start - 1)
