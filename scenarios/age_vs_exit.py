"""Reclaim ages folios (``folio_referenced``) while the processes that map them unmap and exit.

The walk goes through the rmap without knowing the processes: it finds VMAs that are being unmapped,
reads PTEs without a lock, takes a PTL and clears young bits without a flush, in page tables that
may be about to go. They must not go before the VMA is unlinked from the rmap. A folio of anonymous
memory may be freed, and its anon_vma with it, before the walk has begun; it is trusted only while
it is mapped.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class AgeVsExit(Scenario):
    """``order``: of the folios; ``anon``: the folio that is aged is anonymous, shared by a fork."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=16), anon=(1, 0))

    @property
    def nr(self) -> int:
        """Pages of either kind."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(
            cpus=3,
            mms=2,
            vpages=whole_blocks(self.g, 2 * self.nr),
            pages=4 * self.nr + 24,
            vmas=4,
            anon_vmas=2,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """A file mapping and an anonymous one; then fork."""
        task, order = self.task(0), self.params["order"]
        await start(task, 0)
        await read_in(task, 0, self.nr, order)
        await task.mmap(0, self.nr, file=0, shared=True)
        await task.mmap(self.nr, self.nr, order)
        await task.load(0)
        await fill(task, self.nr, self.nr, order)
        await task.fork(1)

    async def join(self) -> None:
        """The child has read both."""
        await self.task(1).born(1)
        await self.task(1).load(0)
        await self.task(1).load(self.nr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("exit", 0, self.exit), ("child", 1, self.child), ("age", 2, self.age)]

    async def exit(self) -> None:
        await self.task(0).exit()

    async def child(self) -> None:
        await self.task(1).load(0)
        await self.task(1).munmap(0, 2 * self.nr)

    async def age(self) -> None:
        if self.params["anon"]:
            await self.task(2).age_anon()
        else:
            await self.task(2).age(0, 0)
