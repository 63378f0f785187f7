"""The zap ladder (mm/memory.c, v6.12): swap entries in batches, no look behind a folio."""

from __future__ import annotations

from sim.core.machine import site
from sim.core.pte import KIND_MASK, KIND_SWAP, PFN_SHIFT
from sim.mm.memory import Memory, Zap

SWAP_SCAN = site("swap_pte_batch", "read pte")


class Memory612(Memory):
    """Zapping as in 6.9, with batches of entries that are not present (6.10)."""

    def batch_pages_max(self, folio: int, page: int, max_nr: int) -> int:
        """Return the entries worth a look: no more than the folio has pages left (6.15, and
        6.12.y).
        """
        return min(max_nr, folio + self.k.mm_types.folio_nr_pages(folio) - page)

    async def swap_pte_batch(self, ptep: int, pte: int, max_nr: int) -> int:
        """Return how many swap entries from ``ptep`` on name consecutive slots alike
        (mm/internal.h).
        """
        nr = 1
        while nr < max_nr and await self.k.pgtable.ptep_get(ptep + nr, SWAP_SCAN) == pte + (nr << PFN_SHIFT):
            nr += 1
        return nr

    async def nonpresent_left(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """Pass swap entries that stay as a batch: it is measured before the decision."""
        return await self.swap_pte_batch(ptep, pte, zap.end - addr) if pte & KIND_MASK == KIND_SWAP else 1
