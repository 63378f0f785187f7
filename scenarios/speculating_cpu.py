"""munmap(), mmap() in the same place, MADV_DONTNEED of a whole page table, and exit, while another
CPU fills its TLB and its walk cache on speculation, at addresses that nobody chose.

A CPU does so as long as the mm is loaded, also when its thread does not touch the memory, when a
kernel thread borrows the mm, and when the last thread there has gone. It may be between any two of
its looks, at the PMD, the table, the entry, when the table is unhooked: a table is freed only once
no CPU can have it in its walk cache, and a page only once no TLB has it.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

USER, LAZY, GONE = range(3)

FILLS = 12
"""How often the CPU fills something."""


class SpeculatingCpu(Scenario):
    """``thread``: what runs on the CPU: the process's other thread, a kernel thread that borrows
    its mm, or what comes after the thread has exited.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(thread=(USER, LAZY, GONE))

    @property
    def nr(self) -> int:
        """Pages of a table."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        return World(cpus=2, vpages=2 * self.nr, pages=3 * self.nr + 16, vmas=3, tables=6, anon_vmas=3)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map two tables' worth, and touch a few pages of each."""
        task = self.task(0)
        await start(task, 0)
        await task.mmap(0, 2 * self.nr)
        for page in (0, self.nr - 1, self.nr, 2 * self.nr - 1):
            await task.store(page)

    async def join(self) -> None:
        await start(self.task(1), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("unmap", 0, self.unmap), ("speculates", 1, self.speculate)]

    async def unmap(self) -> None:
        """Have the tables freed in every way that there is."""
        task = self.task(0)
        await task.munmap(self.nr, self.nr)
        await task.mmap(self.nr, self.nr)
        await task.store(self.nr)
        await task.dontneed(0, self.nr)
        await task.store(1)
        await task.exit()

    async def speculate(self) -> None:
        """Be what the parameter says, and let the hardware speculate."""
        task, thread = self.task(1), self.params["thread"]
        if thread == LAZY:
            await task.idle()
        elif thread == GONE:
            await task.exit()
        await task.speculate(FILLS)
