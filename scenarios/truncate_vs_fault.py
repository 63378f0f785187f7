"""Faults on pages that are truncated, punched out or invalidated meanwhile, and on pages behind the
end of the file.

A fault looks at i_size before it looks the folio up and again under its lock, and asks there
whether the folio is still the file's. It maps the page, or a private copy of it, before it lets the
lock go: so whatever it has mapped is found when the folio is removed, and what it has copied when
the range is unmapped for the second time. What is not in the cache is read in, but not while blocks
are being freed (``invalidate_lock``).
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, PUNCH, TRUNCATE, remove
from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

SHARED, PRIVATE, COLD, SHMEM, EDGE = range(5)


class TruncateVsFault(Scenario):
    """``how``: the pages are removed from the cache; ``order``: of the folios; ``kind``: of the
    mapping: of a file, shared or private, so that stores make copies; of a file that has to be read
    in again first; of shared memory that is a hole, which has no disk to be written to directly; of
    a file that ends in a folio which could not be split.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        sizes = orders(profile, geometry, pages_max=16)
        first, *others = rotate(order=sizes, kind=(SHARED, PRIVATE, COLD, SHMEM), how=(TRUNCATE, PUNCH, DIRECT))
        edge = rotate(order=sizes[1:2], kind=(EDGE,), how=(DIRECT,))
        return [first, *edge, *(params for params in others if (params["kind"], params["how"]) != (SHMEM, DIRECT))]

    @property
    def nr(self) -> int:
        """Pages of the file: two folios, at least."""
        return 2 << self.params["order"]

    def world(self) -> World:
        nr = self.nr
        return World(
            cpus=3, vpages=whole_blocks(self.g, nr), pages=6 * nr + 24, vmas=2, anon_vmas=2, files=1, file_pages=nr
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map the file, and use its first and its last page."""
        task, kind = self.task(0), self.params["kind"]
        await start(task, 0)
        await read_in(task, 0, self.nr, self.params["order"], kind == SHMEM)
        await task.mmap(0, self.nr, file=0, shared=kind != PRIVATE, quiet=kind == SHMEM)
        await task.load(0)
        await task.store(self.nr - 1)

    async def join(self) -> None:
        """The other thread has read the last page."""
        await start(self.task(1), 0)
        await self.task(1).load(self.nr - 1)
        if self.params["kind"] == EDGE:
            await self.task(1).ftruncate(0, (self.nr - 1) * self.g.page_size)
        elif self.params["kind"] >= COLD:
            await self.task(1).punch_hole(0, 0, self.nr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("load", 0, self.load), ("store", 1, self.store), ("remove", 2, self.remove)]

    async def load(self) -> None:
        """Read the pages, last first, and write to the first; or drop what is mapped of the folio
        that the file ends in, and write to its beginning.
        """
        if self.params["kind"] == EDGE:
            await self.task(0).dontneed(self.nr // 2, self.nr // 2)
            await self.task(0).store(self.nr // 2)
            return
        for addr in range(self.nr - 1, -1, -max(1, self.nr // 4)):
            await self.task(0).load(addr)
        await self.task(0).store(0)

    async def store(self) -> None:
        """Write to the last page, and again."""
        await self.task(1).store(self.nr - 1)
        await self.task(1).load(1)
        await self.task(1).store(self.nr - 1)

    async def remove(self) -> None:
        """Remove the pages, but for the folio that the file may end in; a truncated file grows
        again, and its new pages are read once.
        """
        task = self.task(2)
        await remove(task, self.params["how"], self.nr // 2 if self.params["kind"] == EDGE else self.nr)
        if self.params["how"] == TRUNCATE:
            await task.ftruncate(0, self.nr * self.g.page_size)
            await task.ftruncate(0, (self.nr - 1) * self.g.page_size)
