"""fork() copies a swap entry without counting it in the slot.

copy_nonpresent_pte() (mm/memory.c, 6.9) calls swap_duplicate(): the slot is free again when the
first of the two processes has dropped its entry.
"""

from __future__ import annotations

from sim.core.pte import KIND_MASK, KIND_SWAP
from sim.mm.fork import SET_NONPRESENT, Copy, Fork
from sim.mm.mm_types import MM_SWAPENTS

KERNEL = "6.9"
KIND = "sequence"


class SwapEntryCopiedUncounted(Fork):
    component = "fork"

    async def copy_nonpresent_pte(self, copy: Copy, addr: int, pte: int) -> None:
        """Only the process's own counter is raised."""
        if pte & KIND_MASK != KIND_SWAP:
            await super().copy_nonpresent_pte(copy, addr, pte)
            return
        copy.rss[MM_SWAPENTS] += 1
        await self.m.store(SET_NONPRESENT, self.pte, self.k.pgtable.ptep(copy.dst_table, addr), pte)
