"""fork() of a process with dirty file mappings while the folio is written out and another thread
stores.

The shared mapping is left for the child to fault in (its page tables are copied only where
userfaultfd asks for it); the private one has a private copy in it, so its page tables are copied,
file pages and all. ``folio_mkclean`` walks parent and child, whose VMA it may find before anything
is mapped in it, and takes the PTLs that fork holds two at a time.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start, uffd_protect
from stress.scenario import Body, Scenario


class ForkVsWriteback(Scenario):
    """``order``: of the folio; ``uffd``: the shared mapping is userfaultfd's, so that fork copies
    it.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=16), uffd=(0, 1) if profile.uffd_wp else (0,))

    @property
    def nr(self) -> int:
        """Pages of either mapping."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(
            cpus=3,
            mms=2,
            vpages=whole_blocks(self.g, 2 * self.nr),
            pages=6 * self.nr + 24,
            vmas=4,
            anon_vmas=2,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map the file twice: shared and dirty, private and partly copied."""
        task, nr = self.task(0), self.nr
        await start(task, 0)
        await read_in(task, 0, nr, self.params["order"])
        await task.mmap(0, nr, file=0, shared=True, uffd_wp=bool(self.params["uffd"]))
        await task.mmap(nr, nr, file=0)
        for addr in range(2 * nr):
            await task.load(addr)
        await task.store(0)
        await task.store(nr + 1)
        if self.params["uffd"]:
            await uffd_protect(task, nr - 1)

    async def join(self) -> None:
        """The other thread can write to the shared page."""
        await start(self.task(1), 0)
        await self.task(1).store(0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("store", 1, self.store), ("writeback", 2, self.writeback)]

    async def fork(self) -> None:
        await self.task(0).fork(1)

    async def store(self) -> None:
        await self.task(1).store(0)
        await self.task(1).store(self.nr)

    async def writeback(self) -> None:
        await self.task(2).write_back(0, 0)
