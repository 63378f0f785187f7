"""MADV_DONTNEED while another CPU keeps touching the range, faulting it in again.

Both run under the mmap lock held for reading; the PTL alone orders them. Between the zapper's
unlock and its flush the faulting CPU can install new pages at the same addresses while its own TLB,
or another's, still has the old ones: the old pages must live until the flush, and the flush must
not be mistaken about what it covers. Refaults of a large folio come in other orders, as only empty
aligned blocks qualify.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

ANON, SHARED, PRIVATE, SHMEM, SHMEM_PRIVATE = range(5)


class DontneedVsFault(Scenario):
    """``order``: of the folios; ``file``: 0 anonymous memory, 1 a shared file mapping (faulted
    around), 2 a private one, 3 shared memory, whose pages are mapped writable and clean: hardware
    marks them dirty while they are zapped, 4 a private mapping of shared memory, whose copies are
    counted as other pages than what they replace.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(order=orders(profile, geometry, pages_max=64), file=(ANON, SHMEM_PRIVATE, SHARED, PRIVATE, SHMEM))

    @property
    def nr(self) -> int:
        """Pages mapped: at least two."""
        return max(2, 1 << self.params["order"])

    def world(self) -> World:
        return World(
            vpages=whole_blocks(self.g, self.nr),
            pages=6 * self.nr + 16,
            vmas=2,
            anon_vmas=1,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill."""
        task, order, file = self.task(0), self.params["order"], self.params["file"]
        await start(task, 0)
        if file:
            await read_in(task, 0, self.nr, order, file >= SHMEM)
            await task.mmap(0, self.nr, file=0, shared=file in (SHARED, SHMEM), quiet=file == SHMEM)
            await task.load(0)
        else:
            await task.mmap(0, self.nr, order)
            await fill(task, 0, self.nr, order)

    async def join(self) -> None:
        """The other thread has read the last page."""
        await start(self.task(1), 0)
        await self.task(1).load(self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("fault", 1, self.fault)]

    async def dontneed(self) -> None:
        await self.task(0).dontneed(0, self.nr)

    async def fault(self) -> None:
        await self.task(1).store(self.nr - 1)
        await self.task(1).load(0)
