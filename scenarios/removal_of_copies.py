"""Pages of a file are removed while a process has private copies of them, of which some are swapped
out and some are on their way to another place.

What a process has stored is its own: an entry that is not present stays like one that is, unless it
lies behind the end of the file (``should_zap_folio``, ``should_zap_cows``). The process drops or
copies its memory meanwhile. A child maps all of it still, and writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import REMOVALS, REMOVE, remove
from scenarios._shapes import read_in, rotate
from sim.core.profile import Profile, World
from sim.setup import plant_migration_entry, plant_swap_entry, start
from stress.scenario import Body, Scenario

COPIED, MIGRATING, SWAPPED, PLAIN = range(1, 5)
"""Pages of the private mapping: a copy, one that migrates, one that is swapped out, the file's."""

NR = 6
DONTNEED, FORK, EXIT = range(3)


class RemovalOfCopies(Scenario):
    """``how``: the pages are removed; ``way``: 0 the process drops its memory, 1 it forks again, 2
    it exits.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(way=(DONTNEED, FORK, EXIT), how=[how for how in REMOVALS if how != REMOVE])

    def world(self) -> World:
        return World(
            cpus=3,
            mms=3,
            vpages=self.g.contpte * -(-NR // self.g.contpte),
            pages=40,
            vmas=5,
            anon_vmas=3,
            files=1,
            file_pages=NR,
            swap_slots=2,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.born

    async def prepare(self) -> None:
        """Map the file privately, store to some pages, and fork; then let one migrate and have one
        swapped out.
        """
        task = self.task(0)
        await start(task, 0)
        await read_in(task, 0, NR, 0)
        await task.mmap(0, NR, file=0)
        for addr in (COPIED, MIGRATING):
            await task.store(addr)
        await plant_swap_entry(task, SWAPPED, 1)
        await task.load(PLAIN)
        await task.fork(1)
        await plant_migration_entry(task, MIGRATING)

    async def born(self) -> None:
        """The child runs."""
        await self.task(1).born(1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("parent", 0, self.parent), ("child", 1, self.child), ("remove", 2, self.remove)]

    async def parent(self) -> None:
        task, way = self.task(0), self.params["way"]
        if way == DONTNEED:
            await task.dontneed(0, NR)
        elif way == FORK:
            await task.fork(2)
        else:
            await task.exit()

    async def child(self) -> None:
        """Write to the copy that both have, and to the file's page."""
        await self.task(1).store(COPIED)
        await self.task(1).store(PLAIN)

    async def remove(self) -> None:
        await remove(self.task(2), self.params["how"], NR)
