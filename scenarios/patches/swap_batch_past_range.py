"""A batch of swap entries takes the one behind the range, if that names the next slot.

swap_pte_batch() (mm/internal.h, 6.10 and later) ends at max_nr, which is the end of the range or of
the table: the page behind it is the caller's, and its data is only in swap.
"""

from __future__ import annotations

from sim.core.pte import PFN_SHIFT
from sim.versions.v6_12.memory import SWAP_SCAN, Memory612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("swap-batches",)


class SwapBatchPastRange(Memory612):
    component = "memory"

    async def swap_pte_batch(self, ptep: int, pte: int, max_nr: int) -> int:
        """Another ``<=`` where ``<`` was meant."""
        nr = 1
        while nr <= max_nr and await self.k.pgtable.ptep_get(ptep + nr, SWAP_SCAN) == pte + (nr << PFN_SHIFT):
            nr += 1
        return nr
