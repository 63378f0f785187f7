"""free_swap_and_cache_nr() returns early at a slot that others use: "nothing can be freed".

The counts of the other slots of the batch stay.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.mm.swapfile import Swapfile

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("swap-batches",)

LOOK = site("free_swap_and_cache_nr", "read swap count")


class SwapBatchStopsIfShared(Swapfile):
    component = "swapfile"

    async def free_swap_and_cache_nr(self, slot: int, nr: int) -> None:
        """A slot that is in use cannot be freed."""
        shared = await self.m.load(LOOK, self.swap_map, slot) > 1
        await self.free_swap_and_cache(slot)
        if shared:
            return
        for k in range(1, nr):
            await self.free_swap_and_cache(slot + k)
