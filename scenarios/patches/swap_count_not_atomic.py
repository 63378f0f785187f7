"""The count of a swap slot is lowered by a load and a store, without a lock.

__swap_entry_free() (mm/swapfile.c, 6.9) runs under the cluster's lock: processes that share the
slot after a fork zap their entries under page table locks of their own.
"""

from __future__ import annotations

from sim.mm.swapfile import FREE, Swapfile

KERNEL = "6.9"
KIND = "interleaving"


class SwapCountNotAtomic(Swapfile):
    component = "swapfile"

    async def free_swap_and_cache(self, slot: int) -> None:
        """Read, then write."""
        count = await self.m.load(FREE, self.swap_map, slot)
        await self.m.store(FREE, self.swap_map, slot, count - 1)
