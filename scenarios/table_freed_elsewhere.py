"""munmap() frees a page table while another thread's MADV_DONTNEED has its gather open in another
table of the process, and a third CPU knows both tables from its walk cache.

The gather of the MADV_DONTNEED knows of no freed table. A CPU must all the same have dropped the
table from its walk cache before the table's page is somebody else's: it may walk on speculation in
a range that is unmapped already. Where gathers overlap, the one that finishes flushes everything
(``mm_tlb_flush_nested``). The threads fault meanwhile, and get new tables and pages.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

PAGE, WHOLE, EMPTY = range(3)


class TableFreedElsewhere(Scenario):
    """``drops``: how much of its table the other thread drops: a PAGE, the WHOLE of it in one call,
    or EMPTY, the whole of it once its pages are gone, so that the call finds a table and nothing
    in it.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(drops=(EMPTY, PAGE, WHOLE))

    @property
    def table(self) -> int:
        """Pages of a page table."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        return World(cpus=3, vpages=3 * self.table, pages=48, vmas=6, tables=8, anon_vmas=4)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, lambda: start(self.task(1), 0)
        yield 2, self.join

    async def prepare(self) -> None:
        """Three VMAs, each as large as a table; two of them are used."""
        await start(self.task(0), 0)
        for vma in range(3):
            await self.task(0).mmap(vma * self.table, self.table)
        for addr in (0, 1, self.table, self.table + 1):
            await self.task(0).store(addr)

    async def join(self) -> None:
        """The third thread has walked both tables."""
        await start(self.task(2), 0)
        await self.task(2).load(0)
        await self.task(2).load(self.table)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("dontneed", 1, self.dontneed), ("access", 2, self.access)]

    async def munmap(self) -> None:
        await self.task(0).munmap(0, self.table)

    async def dontneed(self) -> None:
        if self.params["drops"] == EMPTY:
            await self.task(1).dontneed(self.table, 2)
        await self.task(1).dontneed(self.table, 1 if self.params["drops"] == PAGE else self.table)
        await self.task(1).store(2 * self.table)

    async def access(self) -> None:
        """Speculate in both tables, use the one that stays mapped unless it is to be EMPTY, and ask
        for a new one.
        """
        await self.task(2).prefetch(1)
        if self.params["drops"] != EMPTY:
            await self.task(2).load(self.table)
        for addr in (self.table + 1, 0, self.table):
            await self.task(2).prefetch(addr)
        await self.task(2).store(2 * self.table)
        await self.task(2).prefetch(self.table + 1)
