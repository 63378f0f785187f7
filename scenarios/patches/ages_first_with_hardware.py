"""Of an aged batch the first entry alone is cleared as its architecture has to clear one.

clear_flush_young_ptes() (include/linux/pgtable.h, 7.3) calls ptep_clear_flush_young() for each: on
s390x an entry that is not young is invalid, so that nobody flushes it later; on ppc64 with hash
tables the hash table has it too.
"""

from __future__ import annotations

from sim.core.pte import YOUNG
from sim.mm.pgtable import CLEAR_YOUNG, Pgtable

KERNEL = "7.3-flushfirst"
PROFILES = ("s390x", "ppc64-hash")
KIND = "sequence"
GUARDS = ("ageing-batches",)


class AgesFirstWithHardware(Pgtable):
    component = "pgtable"

    async def clear_flush_young_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> bool:
        """The others lose their young bit in memory."""
        young = int(await self.ptep_clear_young(cpu, mm, addr, ptep)) * YOUNG
        for k in range(1, nr):
            young |= await self.m.rmw(CLEAR_YOUNG, self.pte, ptep + k, lambda entry: entry & ~YOUNG) & YOUNG
        return bool(young)
