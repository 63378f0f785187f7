"""What plain mode does: one thread fills memory and tears it down, by the model's system calls.

The same bodies run in lockstep, so that both do the same work.
"""

from __future__ import annotations

from dataclasses import replace

from sim.core.arena import Field
from sim.hardware.tlb import Tlb
from sim.setup import start
from sim.task import Task

PARENT, CHILD = 0, 1
"""The address spaces of a world: the one that is filled, and what fork makes of it."""


PIECES = ("boot", "begin", "map", "map_file", "cache", "touch", "fill", "munmap", "dontneed", "exit", "fork")
"""Methods of :class:`Work`."""


class NoTlb(Tlb):
    """Caches nothing. Its invalidation is the hardware's work, which is counted and not done."""

    component = "tlb"

    def fields(self) -> list[Field]:
        caches = ("tlb", "tlb_span", "walk_cache")
        return [replace(field, count=0) if field.name in caches else field for field in super().fields()]

    async def invalidate(self, cpu: int, mm: int, start: int, end: int, walks: bool) -> None:
        """Drop nothing."""


class Work(Task):
    """The thread, on CPU 0. Its operations are those of a task; what it is filled with is here."""

    async def boot(self) -> None:
        """Make the first state, as :meth:`sim.kernel.Kernel.boot` does: all memory is free."""
        self.k.page_alloc.boot()
        self.k.mmap_lock.boot()

    async def begin(self) -> None:
        """Give the thread its address space."""
        await start(self, PARENT)

    async def map(self, addr: int, nr: int, order: int) -> None:
        """Map ``nr`` anonymous pages at ``addr``, with folios of up to ``order``."""
        await self.mmap(addr, nr, order)

    async def map_file(self, addr: int, nr: int, pgoff: int, shared: bool) -> None:
        """Map ``nr`` pages of file 0, from ``pgoff`` on, at ``addr``."""
        await self.mmap(addr, nr, 0, 0, pgoff, shared)

    async def cache(self, index: int, order: int) -> None:
        """Read a folio of ``order`` at ``index`` of file 0 into the page cache."""
        await self.k.filemap.add_folio(self.cpu, 0, index, order)

    async def touch(self, addr: int, store: bool) -> None:
        """Fault the page at ``addr`` in, and let a kernel that has a hash table put it there."""
        await self.k.page_fault.handle_mm_fault(self.cpu, PARENT, addr, store)
        if not self.profile.walks_tables and await self.k.tlb.walk(self.cpu, PARENT, addr, store) >= 0:
            await self.k.tlb.walk_done(self.cpu)

    async def fill(self, nr: int, order: int, every: int) -> None:
        """Map ``nr`` pages from 0 on, in folios of ``order``, and store to every ``every``-th;
        leave none of them in a LRU batch.
        """
        await self.begin()
        await self.map(0, nr, order)
        addr = 0
        while addr < nr:
            await self.touch(addr, True)
            addr += every
        await self.k.swap.lru_add_drain(self.cpu)
