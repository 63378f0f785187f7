"""fork() of memory that was shared before: a child has exited, and its pages have come back.

A page that a first fork has shared is no longer exclusive, also once the parent is its only user
again: a write finds that out from the reference count, takes the page over, and marks it exclusive;
another fork takes that back. Beside it lies memory that nobody has touched, of which fork copies a
VMA without an anon_vma and without a page table: parent and child make their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._forking import Forking
from scenarios._shapes import map_and_fill, whole_blocks
from sim.core.profile import World
from sim.setup import start
from stress.scenario import Body


class ForkAgain(Forking):
    """``taken``: the other thread has written to the first page after the first child's exit, and
    so has taken it over; ``touches``: the two then meet in the memory that nobody has touched, else
    in what the forks have shared.
    """

    choices = {"touches": (1, 0), "taken": (0, 1)}

    @property
    def fresh(self) -> int:
        """The first page of the memory that nobody has touched."""
        return whole_blocks(self.g, self.nr)

    def world(self) -> World:
        vpages = 2 * whole_blocks(self.g, self.nr)
        return World(cpus=3, mms=3, vpages=vpages, pages=8 * self.nr + 24, vmas=8, anon_vmas=4)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 2, self.first_child
        yield 1, self.join

    async def prepare(self) -> None:
        """Map twice, fill one of the two, and fork."""
        await map_and_fill(self.task(0), self.nr, self.params["order"])
        await self.task(0).mmap(self.fresh, self.nr, self.params["order"])
        await self.task(0).fork(1)

    async def first_child(self) -> None:
        """The first child has used a page, and is gone."""
        await self.task(2).born(1)
        await self.task(2).load(0)
        await self.task(2).exit()

    async def join(self) -> None:
        """The other thread has read, or written to, a page that is its process's alone again."""
        await start(self.task(1), 0)
        await (self.task(1).store if self.params["taken"] else self.task(1).load)(0)

    @property
    def page(self) -> int:
        """The page that parent and child write to."""
        return self.fresh if self.params["touches"] else 0

    async def fork(self) -> None:
        """Fork again, and write."""
        await self.task(0).fork(2)
        await self.task(0).store(self.page)

    async def other(self) -> None:
        """Write, and drop it all."""
        await self.task(1).store(self.page)
        await self.task(1).store(self.nr - 1)
        await self.task(1).dontneed(0, self.nr)

    async def child(self) -> None:
        """Write to the same page, and go."""
        await self.task(2).born(2)
        await self.task(2).store(self.page)
        await self.task(2).exit()
