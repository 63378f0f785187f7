"""A large file folio lies across the edge of two page tables; the first of them goes, or was never
there, while the folio is written out and a CPU stores to its second half.

A walk from the folio to its entries goes on behind a table that is not there, takes the lock of the
next one, and must know where the folio is in a mapping that begins in the middle of the file.
MADV_DONTNEED of the whole first table leaves the second half mapped: mapcounts, references and the
dirty state of the folio are those of both.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, rotate
from sim.core.profile import Profile, World
from sim.setup import add_file_folio, start
from stress.scenario import Body, Scenario


class FolioAcrossTables(Scenario):
    """``half``: pages of half the folio; ``first``: whether its first half is mapped at the
    start.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        halves = [1 << order - 1 for order in orders(profile, geometry, pages_max=16) if order]
        return rotate(first=(0, 1), half=reversed(halves))

    @property
    def half(self) -> int:
        """Pages of half a folio."""
        return self.params["half"]

    @property
    def edge(self) -> int:
        """Where the second table, and the folio's second half, begin; and the folio in the file."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        pages = 4 * self.half + 32
        return World(
            cpus=3, vpages=2 * self.edge, pages=pages, vmas=2, tables=6, files=1, file_pages=self.edge + 2 * self.half
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map the file from the middle of a folio on, so that folios lie across the edges of
        tables; only one of them is in the page cache.
        """
        task = self.task(0)
        await start(task, 0)
        await add_file_folio(task, 0, self.edge, self.half.bit_length())
        await task.mmap(0, self.edge + self.half, file=0, pgoff=self.half, shared=True)
        if self.params["first"]:
            await task.store(self.edge - 1)

    async def join(self) -> None:
        """The other thread has made pages of the second half dirty."""
        await start(self.task(1), 0)
        await self.task(1).store(self.edge)
        await self.task(1).store(self.edge + self.half - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("store", 1, self.store), ("writeback", 2, self.writeback)]

    async def dontneed(self) -> None:
        """Drop the first table, and use it again."""
        await self.task(0).dontneed(0, self.edge)
        await self.task(0).load(self.edge - self.half)

    async def store(self) -> None:
        await self.task(1).store(self.edge)
        await self.task(1).store(self.edge + self.half - 1)

    async def writeback(self) -> None:
        await self.task(2).write_back(0, self.edge)
        await self.task(2).age(0, self.edge)
