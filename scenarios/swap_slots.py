"""Two processes that share swap slots since a fork drop their entries at the same time.

A slot counts the entries that name it. Each process zaps its entries under its own page-table lock,
so that they meet at the counts alone. The entries of a run may name consecutive slots, which are
freed as one batch (6.10), or slots in another order, which must not; a present page ends a run.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import plant_swap_entry, start
from stress.scenario import Body, Scenario

SLOTS = ((0, 1, 4, 2), (0, 1, 2, 3), (3, 2, 1, 0), (1, 3, -1, 4))
"""What the entries of the first pages name; a page that is present where there is -1."""

NR = 6


class SwapSlots(Scenario):
    """``slots``: which of SLOTS; ``whole``: both drop all of it, or else each a part, which ends
    inside a run.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(slots=(1, 0, 2, 3), whole=(0, 1))

    def world(self) -> World:
        return World(
            cpus=2, mms=2, vpages=whole_blocks(self.g, NR), pages=32, vmas=6, tables=8, anon_vmas=2, swap_slots=8
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Plant the entries, and fork."""
        task = self.task(0)
        await start(task, 0)
        await task.mmap(0, NR)
        for addr, slot in enumerate(SLOTS[self.params["slots"]]):
            if slot >= 0:
                await plant_swap_entry(task, addr, slot)
            else:
                await task.store(addr)
        await task.store(NR - 1)
        await task.fork(1)

    async def join(self) -> None:
        await self.task(1).born(1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("parent", 0, self.parent), ("child", 1, self.child)]

    async def parent(self) -> None:
        first = 0 if self.params["whole"] else 1
        await self.task(0).dontneed(first, NR - first)

    async def child(self) -> None:
        await self.task(1).munmap(0, NR if self.params["whole"] else 3)
