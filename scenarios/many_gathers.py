"""Three threads of one process drop small ranges again and again, so that many gathers of one mm
overlap.

``mm_tlb_flush_nested`` turns every finish that overlaps another gather into a flush of the whole
mm, whichever gather has cleared the entries; the counter must come back to zero, each gather must
free exactly what it queued, and the ranges of the others must not be taken for flushed. All the
entries are in one PTE table, so that the zappers queue for its lock; each refills a page of its
range in between, or drops it again while it is empty: what another has cleared may be cached yet.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import map_and_fill, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from stress.scenario import Body, Scenario

EACH = 2
"""Pages that each thread calls its own."""


class ManyGathers(Scenario):
    """``apart``: each thread keeps to its own pages, else all also drop the first. ``refill``: it
    stores to its first page in between, else it drops that again while it is empty.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(refill=(1, 0), apart=(0, 1))

    def world(self) -> World:
        return World(cpus=3, vpages=whole_blocks(self.g, 3 * EACH), pages=32, vmas=1, anon_vmas=1)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, lambda: start(self.task(1), 0)
        yield 2, lambda: start(self.task(2), 0)

    async def prepare(self) -> None:
        """Map and fill with single pages."""
        await map_and_fill(self.task(0), 3 * EACH)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [(f"zap{cpu}", cpu, lambda cpu=cpu: self.zap(cpu)) for cpu in range(3)]  # type: ignore[misc]

    async def zap(self, cpu: int) -> None:
        task, first = self.task(cpu), cpu * EACH
        await task.dontneed(first, EACH)
        if self.params["refill"]:
            await task.store(first)
        await task.dontneed(first, 1)
        if not self.params["apart"]:
            await task.dontneed(0, 1)
