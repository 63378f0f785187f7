"""Neighbouring swap entries are freed as one batch although their slots are not consecutive.

swap_pte_batch() (mm/internal.h, 6.10 and later) compares each entry with the one before it,
advanced by a slot; here the type is enough.
"""

from __future__ import annotations

from sim.core.pte import KIND_MASK, KIND_SWAP, PRESENT
from sim.mm.memory import Memory
from sim.versions.v6_12.memory import SWAP_SCAN

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("swap-batches",)


class SwapBatchAnySlot(Memory):
    component = "memory"

    async def swap_pte_batch(self, ptep: int, pte: int, max_nr: int) -> int:
        """Swap entries follow each other: that will do."""
        nr = 1
        while nr < max_nr:
            entry = await self.k.pgtable.ptep_get(ptep + nr, SWAP_SCAN)
            if entry & PRESENT or entry & KIND_MASK != KIND_SWAP:
                break
            nr += 1
        return nr
