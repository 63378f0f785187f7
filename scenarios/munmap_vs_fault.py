"""munmap() of part of a VMA, and a new mapping in its place, while another thread faults on both
parts.

The fault finds the VMA in the tree without the mmap lock, and only then locks it. munmap cuts the
VMA, waits for the faults that have it, and lets no other in: one that has found it meanwhile must
see that it is write-locked, cut, gone, or another one by now, and take the mmap lock. A fault that
goes on all the same maps pages behind the zap, where no rmap walk finds them.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

ANON, SHARED = range(2)


class MunmapVsFault(Scenario):
    """``kind``: of what is unmapped: anonymous or shared memory of a file; the other kind comes in
    its place. ``order``: of the folios; ``all``: whether all of it is unmapped, or the first half.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=16), kind=(ANON, SHARED), all=(0, 1))

    @property
    def nr(self) -> int:
        """Pages mapped: at least four."""
        return max(4, 1 << self.params["order"])

    def world(self) -> World:
        return World(
            cpus=2,
            vpages=whole_blocks(self.g, self.nr),
            pages=8 * self.nr + 16,
            vmas=3,
            anon_vmas=3,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map, and touch the last page, so that there are a page table and an anon_vma."""
        task = self.task(0)
        await start(task, 0)
        await read_in(task, 0, self.nr, self.params["order"])
        await self.mapped(self.params["kind"], self.nr, 0)
        await task.store(self.nr - 1)

    async def join(self) -> None:
        await start(self.task(1), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("faults", 1, self.faults)]

    async def mapped(self, kind: int, nr: int, order: int) -> None:
        """Map ``nr`` pages of a kind."""
        if kind == SHARED:
            await self.task(0).mmap(0, nr, file=0, shared=True)
        else:
            await self.task(0).mmap(0, nr, order)

    async def munmap(self) -> None:
        """Unmap, and map the other kind."""
        nr = self.nr if self.params["all"] else self.nr // 2
        await self.task(0).munmap(0, nr)
        await self.mapped(1 - self.params["kind"], nr, self.params["order"])

    async def faults(self) -> None:
        """Store to what goes, what stays, and what has gone."""
        for page in (0, self.nr // 2, 1):
            await self.task(1).store(page)
