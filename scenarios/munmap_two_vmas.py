"""Two threads unmap neighbouring VMAs that share a page table, while a third faults and drops in
the neighbours.

A munmap that has downgraded its lock zaps beside faults and MADV_DONTNEED of other VMAs; the next
munmap has to wait for it. The table they all use may go only with the last of them
(``free_pgtables`` looks at the neighbours), and its entries must be gone from walk caches by then.
One munmap of several VMAs takes each from the reverse map of its own file.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

EACH = 2
"""Pages of each VMA."""


class MunmapTwoVmas(Scenario):
    """``third``: a third VMA stays, and is used; else the last munmap frees the table; ``files``:
    the VMAs map two files, in turn, and the first munmap is one of two VMAs.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(files=(0, 1), third=(1, 0))

    def world(self) -> World:
        files = {"files": 2, "file_pages": EACH} if self.params["files"] else {}
        return World(cpus=3, vpages=whole_blocks(self.g, 3 * EACH), pages=32, vmas=4, tables=4, anon_vmas=3, **files)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join
        yield 2, self.last_join

    async def prepare(self) -> None:
        """Map side by side, and fill with single pages."""
        task, files = self.task(0), self.params["files"]
        await start(task, 0)
        for file in range(2 * files):
            await read_in(task, file, EACH, 0)
        for vma in range(2 + self.params["third"]):
            await task.mmap(vma * EACH, EACH, file=vma % 2 if files else -1, shared=bool(files))
            await fill(task, vma * EACH, EACH, 0)

    async def join(self) -> None:
        """The second thread has used the first VMA."""
        await start(self.task(1), 0)
        await self.task(1).store(0)

    async def last_join(self) -> None:
        """The third has used the second."""
        await start(self.task(2), 0)
        await self.task(2).load(EACH)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("first", 0, self.first), ("second", 1, self.second), ("fault", 2, self.fault)]

    async def first(self) -> None:
        await self.task(0).munmap(0, 2 * EACH if self.params["files"] else EACH)

    async def second(self) -> None:
        await self.task(1).munmap(EACH, EACH)

    async def fault(self) -> None:
        await self.task(2).load(EACH)
        await self.task(2).dontneed(2 * EACH, 1)
        await self.task(2).store(2 * EACH)
