"""Two threads touch a mapping that nobody has used, at the same time.

Each finds no page table, no anon_vma, no page: each makes one, and looks again, under the lock,
whether the other was faster. Whoever comes second throws away what it has made. A large folio wants
a whole block of empty entries, of which the other thread may have filled one meanwhile. A third
thread drops what they have made, or reclaim ages it; or it holds the mmap lock for writing, which
who makes an anon_vma would like to have too, and the fault's VMA is what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

ANON, PRIVATE, SHARED = range(3)
DROP, FORK, UNMAP = range(3)


class FirstTouch(Scenario):
    """``kind``: of the mapping: anonymous, private or shared memory of a file; ``order``: of the
    folios; ``third``: what the third thread does: it drops, forks or unmaps.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        sizes = orders(profile, geometry, pages_max=64)
        first, *others = rotate(kind=(ANON, PRIVATE, SHARED), order=reversed(sizes), third=(DROP,))
        return [first, *rotate(third=(UNMAP, FORK), kind=(ANON, PRIVATE), order=sizes[:1]), *others]

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(
            cpus=3,
            mms=1 + (self.params["third"] == FORK),
            vpages=whole_blocks(self.g, self.nr),
            pages=8 * self.nr + 16,
            vmas=2,
            tables=6,
            anon_vmas=3,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join
        yield 2, self.join_too

    async def prepare(self) -> None:
        """Map, and touch nothing."""
        task, kind = self.task(0), self.params["kind"]
        await start(task, 0)
        if kind == ANON:
            await task.mmap(0, self.nr, self.params["order"])
        else:
            await read_in(task, 0, self.nr, self.params["order"])
            await task.mmap(0, self.nr, file=0, shared=kind == SHARED)

    async def join(self) -> None:
        await start(self.task(1), 0)

    async def join_too(self) -> None:
        await start(self.task(2), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("first", 0, self.first), ("second", 1, self.second), ("third", 2, self.third)]

    async def first(self) -> None:
        await self.task(0).store(0)
        await self.task(0).load(self.nr - 1)

    async def second(self) -> None:
        """A read maps a single page where the first thread has seen room for a large folio."""
        await self.task(1).load(self.nr - 1)
        await self.task(1).store(self.nr - 1)

    async def third(self) -> None:
        """Age what there is, then drop it; or fork; or unmap half of it."""
        task, third = self.task(2), self.params["third"]
        if third == FORK:
            await task.fork(1)
        elif third == UNMAP:
            await task.munmap(0, self.nr // 2)
        else:
            await (task.age(0, 0) if self.params["kind"] == SHARED else task.age_anon())
            await task.dontneed(0, self.nr)
