"""A file is truncated, punched, or written to past the page cache, while its dirty pages are
zapped.

The zapper still counts a mapping whose entry it has cleared, until the TLBs are flushed (delayed
rmap). Whoever removes the folio from the page cache finds it mapped, walks to the entry, and must
wait for the PTL there: afterwards nobody looks again (``truncate_cleanup_folio``), or dies of it
(``folio_unmap_invalidate``). Where a zap unhooks the page table before it flushes, the walk finds
no lock to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._removal import DIRECT, REMOVALS, REMOVE, remove
from scenarios._shapes import orders, read_in, rotate
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

DONTNEED, MUNMAP, EXIT = range(3)

CACHED_MAX = 64
"""Pages that are in the cache beforehand: the last ones."""


class TruncateVsZap(Scenario):
    """``how``: the pages are removed from the cache; ``zap``: by which call they are zapped;
    ``order``: of the folios; ``quiet``: whether the file is shared memory, whose pages are mapped
    writable and clean, so that only their entries know that they are dirty. It is not written to
    directly, as there is no disk.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        sets = rotate(
            zap=(DONTNEED, MUNMAP, EXIT), order=orders(profile, geometry, pages_max=16), quiet=(0, 1), how=REMOVALS
        )
        useful = [params for params in sets if params["zap"] == DONTNEED or not params["quiet"]]
        useful = [params for params in useful if not (params["quiet"] and params["how"] == DIRECT)]
        return [params for params in useful if (params["zap"], params["how"]) != (EXIT, REMOVE)]

    @property
    def nr(self) -> int:
        """Pages: a whole page table."""
        return self.g.ptrs_per_pte

    def world(self) -> World:
        return World(cpus=3, vpages=self.nr, pages=3 * self.nr + 32, vmas=3, tables=6, files=1, file_pages=self.nr)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join
        if self.params["how"] == REMOVE:
            yield 2, self.remover

    async def prepare(self) -> None:
        """Map the file, and store to a page in the middle and to the last."""
        task = self.task(0)
        await start(task, 0)
        quiet = bool(self.params["quiet"])
        await read_in(task, 0, self.nr, self.params["order"], quiet, first=max(0, self.nr - CACHED_MAX))
        await task.mmap(0, self.nr, file=0, shared=True, quiet=quiet)
        for addr in (self.nr // 2, self.nr - 1):
            await task.load(addr)
            await task.store(addr)

    async def join(self) -> None:
        """The other thread has stored to the last page."""
        await start(self.task(1), 0)
        await self.task(1).store(self.nr - 1)

    async def remover(self) -> None:
        """MADV_REMOVE is called by a thread of the process."""
        await start(self.task(2), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("zap", 0, self.zap), ("store", 1, self.store), ("remove", 2, self.remove)]

    async def zap(self) -> None:
        task, kind = self.task(0), self.params["zap"]
        if kind == DONTNEED:
            await task.dontneed(0, self.nr)
        elif kind == MUNMAP:
            await task.munmap(0, self.nr)
        else:
            await task.exit()

    async def store(self) -> None:
        """The other thread stores, which may be a bus error or a segmentation fault by then."""
        await self.task(1).store(self.nr - 1)
        if self.params["zap"] == EXIT:
            await self.task(1).exit()

    async def remove(self) -> None:
        await remove(self.task(2), self.params["how"], self.nr)
