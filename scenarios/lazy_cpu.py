"""A CPU runs a kernel thread or another process while a thread on another unmaps; then it comes
back and touches the memory.

On x86 such a CPU is left alone by flushes (unless tables are freed): it keeps what its TLB holds,
and compares generations before it can use it again. Elsewhere it is flushed like any other. Either
way, the access after the return must not reach a page through an entry from before the unmap, and a
flush that the CPU was spared must not count as done.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import add_file_folio, start
from stress.scenario import Body, Scenario

NR = 4


class LazyCpu(Scenario):
    """``other``: the CPU runs another process instead of a kernel thread, which borrows the mm and
    looks at a file; ``unmap``: munmap (which frees the table) instead of MADV_DONTNEED.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(unmap=(0, 1), other=(0, 1))

    def world(self) -> World:
        return World(mms=2, vpages=whole_blocks(self.g, NR), pages=32, vmas=2, anon_vmas=2, files=1, file_pages=1)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and fill with single pages."""
        await start(self.task(0), 0)
        await self.task(0).mmap(0, NR)
        await add_file_folio(self.task(0), 0, 0, 0)
        await fill(self.task(0), 0, NR, 0)

    async def join(self) -> None:
        """Run a second process on the other CPU, then a thread of the first: its TLB is warm."""
        task = self.task(1)
        await start(task, 1)
        await task.mmap(0, 1)
        await task.store(0)
        await start(task, 0)
        await task.store(0)
        await task.load(NR - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("unmap", 0, self.unmap), ("comes and goes", 1, self.come_and_go)]

    async def unmap(self) -> None:
        await (self.task(0).munmap if self.params["unmap"] else self.task(0).dontneed)(0, NR)

    async def come_and_go(self) -> None:
        task = self.task(1)
        for addr in (0, NR - 1):
            if self.params["other"]:
                await task.switch_to(1)
                await task.load(0)
            else:
                await task.idle()
                await task.write_back(0, 0)
            await task.switch_to(0)
            await task.store(addr)
