"""munmap() of dirty shared file pages while the folio is written out and a third CPU stores to it.

The zapper takes the dirty bit out of the PTE, marks the folio dirty, and must keep the mapping
counted until the TLBs are flushed (delayed rmap): write-out then finds the folio mapped, waits for
the PTL in ``folio_mkclean``, and cannot clear PG_dirty while a CPU may still store through a dirty
TLB entry. Removed too early, the mapping is not looked for, and the store is lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario


class MunmapVsWriteback(Scenario):
    """``order``: of the folio; ``dirty``: how many of its pages have been stored to (0 for none, 1
    for the last, 2 for all); ``quiet``: whether the file is shared memory, whose pages are mapped
    writable and clean: it is aged, as there is no disk to write it to.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), dirty=(1, 2, 0), quiet=(0, 1))

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return 1 << self.params["order"]

    def world(self) -> World:
        return World(
            cpus=3,
            vpages=whole_blocks(self.g, self.nr),
            pages=3 * self.nr + 8,
            vmas=2,
            anon_vmas=1,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map the file and read it all."""
        task = self.task(0)
        await start(task, 0)
        quiet = bool(self.params["quiet"])
        await read_in(task, 0, self.nr, self.params["order"], quiet)
        await task.mmap(0, self.nr, file=0, shared=True, quiet=quiet)
        for addr in range(self.nr):
            await task.load(addr)

    async def join(self) -> None:
        """The storing thread has made pages dirty."""
        await start(self.task(1), 0)
        for addr in range((self.nr, self.nr - 1, 0)[self.params["dirty"]], self.nr):
            await self.task(1).store(addr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("munmap", 0, self.munmap), ("store", 1, self.store), ("writeback", 2, self.writeback)]

    async def munmap(self) -> None:
        await self.task(0).munmap(0, self.nr)

    async def store(self) -> None:
        await self.task(1).store(self.nr - 1)

    async def writeback(self) -> None:
        if self.params["quiet"]:
            await self.task(2).age(0, 0)
        else:
            await self.task(2).write_back(0, 0)
