"""Young bits of a batch are cleared by loads and stores: what hardware marks in between is lost.

clear_flush_young_ptes() (include/linux/pgtable.h, 7.3) clears each bit by an atomic operation
(test_and_clear_bit), as the processor may be setting the dirty bit of the same entry.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.core.pte import YOUNG
from sim.mm.pgtable import CLEAR_YOUNG, Pgtable

KERNEL = "7.3-flushfirst"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix")
KIND = "interleaving"
GUARDS = ("ageing-batches",)

READ = site("clear_flush_young_ptes", "read pte")


class AgesByStore(Pgtable):
    component = "pgtable"

    async def clear_flush_young_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> bool:
        """Each entry is read, and written without its young bit."""
        young = 0
        for at in range(ptep, ptep + nr):
            pte = await self.m.load(READ, self.pte, at)
            await self.m.store(CLEAR_YOUNG, self.pte, at, pte & ~YOUNG)
            young |= pte & YOUNG
        return bool(young)
