"""A page is removed from the page cache while MADV_DONTNEED empties the page table that maps it
dirty, and nothing else.

The smallest race of direct writes, hole punching and truncation with a zap that keeps its mapping
counted until it has flushed. Where the kernel reclaims page tables (6.14, x86-64) and unhooks one
before the flush, whoever removes the page finds no table and waits for nobody: the page leaves the
cache while it counts as mapped.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, PUNCH, TRUNCATE, remove
from scenarios._shapes import read_in, rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

PAGES = 2
"""Of the file, of which the second is mapped, and removed."""


class DontneedVsRemoval(Scenario):
    """``how``: the page is removed from the cache."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(how=(PUNCH, TRUNCATE, DIRECT))

    @property
    def table(self) -> int:
        """Pages of a page table, which are those of the mapping."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        return World(cpus=3, vpages=self.table, pages=40, vmas=2, tables=4, files=1, file_pages=self.table)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map a table's worth of a short file."""
        await start(self.task(0), 0)
        await read_in(self.task(0), 0, PAGES, 0)
        await self.task(0).mmap(0, self.table, file=0, shared=True)

    async def join(self) -> None:
        """The other thread has made the page dirty."""
        await start(self.task(1), 0)
        await self.task(1).store(1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("store", 1, self.store), ("remove", 2, self.remove)]

    async def dontneed(self) -> None:
        await self.task(0).dontneed(0, self.table)

    async def store(self) -> None:
        """Store, which may be a bus error by then."""
        await self.task(1).store(1)

    async def remove(self) -> None:
        await remove(self.task(2), self.params["how"], PAGES)
