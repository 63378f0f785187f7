"""MADV_DONTNEED of whole page tables, while others fault, drop and write out in them.

Where the kernel reclaims page tables (6.14, x86-64) the zap that finds a table empty unhooks it at
once, before the TLB is flushed, or comes back to it if it had to break off or another thread has
the lock: a fault may fill the table meanwhile, or install a new one, and a walk that still has the
old one must find it allocated. Elsewhere the table stays, and its entries are filled again.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

ANON, FILE, QUIET = range(3)


class EmptyTables(Scenario):
    """``kind``: of the memory: anonymous, a shared file mapping, or shared memory, whose pages are
    mapped writable and clean; ``order``: of its folios.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(kind=(ANON, FILE, QUIET), order=orders(profile, geometry, pages_max=16))

    @property
    def nr(self) -> int:
        """Pages: two tables."""
        return 2 * self.g.ptrs_per_pte

    def world(self) -> World:
        return World(
            cpus=3, vpages=self.nr, pages=4 * self.nr + 32, vmas=3, tables=6, anon_vmas=1, files=1, file_pages=self.nr
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map two tables' worth, and touch a few pages of each."""
        task, kind = self.task(0), self.params["kind"]
        await start(task, 0)
        if kind == ANON:
            await task.mmap(0, self.nr, self.params["order"])
        else:
            await read_in(task, 0, self.nr, self.params["order"], kind == QUIET)
            await task.mmap(0, self.nr, file=0, shared=True, quiet=kind == QUIET)
        await task.store(1)
        await task.store(self.nr - 1)

    async def join(self) -> None:
        """The other thread has used both tables."""
        await start(self.task(1), 0)
        await self.task(1).load(0)
        await self.task(1).load(self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("zap", 0, self.zap), ("other", 1, self.other), ("worker", 2, self.worker)]

    async def zap(self) -> None:
        """Drop everything, use it again, drop it again."""
        task = self.task(0)
        await task.dontneed(0, self.nr)
        await task.load(2)
        await task.store(1)
        await task.dontneed(0, self.nr)

    async def other(self) -> None:
        """Use both tables, and drop the second."""
        task, half = self.task(1), self.nr // 2
        await task.load(1)
        await task.store(half + 1)
        await task.dontneed(half, half)
        await task.store(self.nr - 1)

    async def worker(self) -> None:
        """Write out or age what is in the tables: a walk finds them through the file or the
        anon_vma.
        """
        if self.params["kind"] == ANON:
            await self.task(2).age_anon()
        else:
            if self.params["kind"] == FILE:
                await self.task(2).write_back(0, 1)
            await self.task(2).age(0, self.nr - 1)
