"""Parts of contiguous blocks are dropped, written and cleaned, while other CPUs use the rest of the
block.

Where the architecture folds aligned runs of PTEs into one TLB entry (arm64's contpte), every change
of a part clears the whole block, invalidates it and writes it again, with the young and dirty bits
of all in each; a CPU may hold one entry for all of it. A neighbour's dirty bit must neither be lost
nor, once the block is clean, be set again. Blocks of shared memory are writable and clean: hardware
makes any page of one dirty through the one entry. Where userfaultfd protects pages, faults on the
markers that a zap has left fold the block again, if all of them protect, and a write that lifts one
protection unfolds it. Elsewhere this is a partial zap of a large folio.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start, uffd_protect
from stress.scenario import Body, Scenario


class Contiguous(Scenario):
    """``blocks``: blocks to the folio; ``writeback``: the third CPU writes the folio out, else it
    drops another part; ``quiet``: the file is shared memory, which is aged in place of that;
    ``uffd``: userfaultfd protects all pages, or (2) all but the first, and all are dropped.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        first, *others = rotate(quiet=(0, 1), blocks=(1, 2), writeback=(1, 0), uffd=(0,))
        protected = rotate(uffd=(1, 2), quiet=(0,), blocks=(1,), writeback=(0, 1)) if profile.uffd_wp else []
        return [first, *protected, *others]

    @property
    def block(self) -> int:
        """Pages of a block; four where there are none."""
        return max(4, self.g.contpte)

    @property
    def nr(self) -> int:
        """Pages mapped: one folio."""
        return self.block * self.params["blocks"]

    def world(self) -> World:
        return World(
            cpus=3,
            vpages=whole_blocks(self.g, self.nr),
            pages=4 * self.nr + 8,
            vmas=2,
            anon_vmas=1,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join
        yield 2, lambda: start(self.task(2), 0)

    async def prepare(self) -> None:
        """Map the file and read it all."""
        task, quiet, uffd = self.task(0), bool(self.params["quiet"]), self.params["uffd"]
        await start(task, 0)
        await read_in(task, 0, self.nr, self.nr.bit_length() - 1, quiet)
        await task.mmap(0, self.nr, file=0, shared=True, uffd_wp=bool(uffd), quiet=quiet)
        for addr in range(self.nr):
            await task.load(addr)
        for addr in range(max(0, uffd - 1), self.nr if uffd else 0):
            await uffd_protect(task, addr)

    async def join(self) -> None:
        """The other thread has made the first block dirty at its second page; it has read that one
        if it is protected.
        """
        task = self.task(1)
        await start(task, 0)
        await (task.load if self.params["uffd"] else task.store)(1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("dontneed", 0, self.dontneed), ("access", 1, self.access), ("other", 2, self.other)]

    async def dontneed(self) -> None:
        task = self.task(0)
        if not self.params["uffd"]:
            await task.dontneed(2, self.block // 2)
            return
        await task.dontneed(0, self.nr)
        for addr in range(self.nr):
            await task.load(addr)
        await task.store(1)

    async def access(self) -> None:
        await self.task(1).store(0)
        await self.task(1).load(self.nr - 1)

    async def other(self) -> None:
        if self.params["writeback"] and self.params["quiet"]:
            await self.task(2).age(0, 0)
        elif self.params["writeback"]:
            await self.task(2).write_back(0, 0)
        else:
            await self.task(2).dontneed(0, 1)
