"""Unrelated processes map one file and use it: they fault its folios in, write some, drop them, and
unmap, over and over.

Their page tables and locks are their own; what they share is the page cache's folios, on whose
references and mapcounts, kept without any lock, they meet all the time. Each also has a few pages
of anonymous memory, which come from one allocator. With many rounds this is the workload that
``zapstress bench steps`` measures the parallel machine with.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

PAGES = 16
"""Of the file; each process maps them all."""

OWN = 2
"""Pages of anonymous memory that each process has besides."""


class SharersAtWork(Scenario):
    """``order``: of the file's folios; ``rounds``: of faulting in and dropping that each process
    makes; it unmaps and maps anew in the last.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=PAGES), rounds=(1, 2))

    def world(self) -> World:
        vpages = whole_blocks(self.g, PAGES + OWN)
        return World(cpus=2, mms=2, vpages=vpages, pages=128, vmas=8, anon_vmas=2, files=1, file_pages=PAGES)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.read
        yield 0, lambda: self.map(0)
        yield 1, lambda: self.map(1)

    async def read(self) -> None:
        """The file is in the page cache."""
        await read_in(self.task(0), 0, PAGES, self.params["order"])

    async def map(self, cpu: int) -> None:
        """Each CPU has a process of its own."""
        task = self.task(cpu)
        await start(task, cpu)
        await task.mmap(0, PAGES, file=0, shared=True)
        await task.mmap(PAGES, OWN)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("first", 0, lambda: self.work(0)), ("second", 1, lambda: self.work(1))]

    async def work(self, cpu: int) -> None:
        """Use and drop, then unmap and map anew."""
        task = self.task(cpu)
        for turn in range(self.params["rounds"]):
            for addr in range(PAGES):
                await (task.store if (addr + turn) % 8 == 0 else task.load)(addr)
            await task.store(PAGES + turn % OWN)
            await task.dontneed(0, PAGES)
        await task.munmap(0, PAGES)
        await task.mmap(0, PAGES, file=0, shared=True)
        await task.load(0)
        await task.dontneed(PAGES, OWN)
