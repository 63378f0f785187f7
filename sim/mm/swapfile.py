"""Swap slots (mm/swapfile.c, v6.9), as far as zapping needs them: setup plants entries, a zap frees
them.
"""

from __future__ import annotations

from sim.core.arena import Column, Field
from sim.core.component import Component
from sim.core.machine import site

FREE = site("free_swap_and_cache", "drop swap count")


class Swapfile(Component):
    """``swap_map`` holds how many entries name a slot."""

    name = "swapfile"

    swap_map: Column

    def fields(self) -> list[Field]:
        return [Field("swap_map", self.w.swap_slots)]

    async def free_swap_and_cache(self, slot: int) -> None:
        """Drop one entry's count on a slot."""
        await self.m.add(FREE, self.swap_map, slot, -1)

    async def free_swap_and_cache_nr(self, slot: int, nr: int) -> None:
        """Drop the counts of ``nr`` entries on as many consecutive slots (6.10; before, ``nr`` is
        always 1).
        """
        for k in range(nr):
            await self.free_swap_and_cache(slot + k)
