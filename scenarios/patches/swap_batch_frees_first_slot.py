"""A batch of swap entries drops every count on the first slot.

free_swap_and_cache_nr() (mm/swapfile.c, 6.10 and later) walks the slots of the batch.
"""

from __future__ import annotations

from sim.mm.swapfile import Swapfile

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("swap-batches",)


class SwapBatchFreesFirstSlot(Swapfile):
    component = "swapfile"

    async def free_swap_and_cache_nr(self, slot: int, nr: int) -> None:
        """The loop does not advance the slot."""
        for _ in range(nr):
            await self.free_swap_and_cache(slot)
