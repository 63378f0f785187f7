"""An aged batch is written back as its first entry says, for each next page.

clear_flush_young_ptes() (include/linux/pgtable.h, 7.3) clears the young bit of each entry and no
other: folio_pte_batch() has compared neither the dirty nor the write bits of a batch.
"""

from __future__ import annotations

from sim.core.pte import PFN_SHIFT, YOUNG
from sim.mm.pgtable import CLEAR_YOUNG, Pgtable

KERNEL = "7.3-flushfirst"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "ppc64-radix")
KIND = "sequence"
GUARDS = ("ageing-batches", "I29")


class AgesWithBitsOfFirst(Pgtable):
    component = "pgtable"

    async def clear_flush_young_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> bool:
        """What has been cleared of the first is stored to the others."""
        pte = await self.m.rmw(CLEAR_YOUNG, self.pte, ptep, lambda entry: entry & ~YOUNG)
        for k in range(1, nr):
            await self.m.store(CLEAR_YOUNG, self.pte, ptep + k, (pte & ~YOUNG) + (k << PFN_SHIFT))
        return bool(pte & YOUNG)
