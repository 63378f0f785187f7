"""MADV_DONTNEED of dirty shared file pages while the folio is aged and written out, and a third CPU
stores to it.

As in munmap, write-out must wait for the zapper's PTL until the TLBs are flushed. But the table is
the mapping's still, and where the kernel reclaims page tables (6.14, x86-64) a call that empties a
whole one unhooks it: a walk that finds no table has nothing to wait for. The storing CPU may have
faulted a new table in meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class DontneedVsWriteback(Scenario):
    """``whole``: the call empties the page table, else half of it; ``order``: of the folios;
    ``quiet``: whether the file is shared memory, whose pages are mapped writable and clean: it is
    aged alone, as there is no disk to write it to.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(whole=(1, 0), order=orders(profile, geometry, pages_max=16), quiet=(0, 1))

    @property
    def table(self) -> int:
        """Pages of a page table, which are those of the mapping."""
        return self.g.ptrs_per_pte

    @property
    def nr(self) -> int:
        """Pages that are touched, from 0 on: one folio, or two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(
            cpus=3, vpages=self.table, pages=3 * self.nr + 32, vmas=2, tables=4, files=1, file_pages=self.table
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map a table's worth, of which the file has the beginning in the page cache."""
        await start(self.task(0), 0)
        quiet = bool(self.params["quiet"])
        await read_in(self.task(0), 0, self.nr, self.params["order"], quiet)
        await self.task(0).mmap(0, self.table, file=0, shared=True, quiet=quiet)

    async def join(self) -> None:
        """The storing thread has made a page dirty."""
        await start(self.task(1), 0)
        await self.task(1).store(1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("store", 1, self.store), ("writeback", 2, self.writeback)]

    async def dontneed(self) -> None:
        await self.task(0).dontneed(0, self.table if self.params["whole"] else self.table // 2)

    async def store(self) -> None:
        await self.task(1).store(1)

    async def writeback(self) -> None:
        await self.task(2).age(0, 1)
        if not self.params["quiet"]:
            await self.task(2).write_back(0, 1)
