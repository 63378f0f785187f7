"""A lazy flush does not say that it is on its way.

ptep_flush_lazy() (arch/s390/mm/pgtable.c, 6.9) raises mm->context.flush_count before it looks at
the mask and lowers it after it has noted the flush: a CPU that attaches in between waits for that.
"""

from __future__ import annotations

from sim.arch.s390x import NOTE, READ_OLD, S390Pgtable
from sim.core.pte import YOUNG
from sim.mm.pgtable import CLEAR

KERNEL = "6.9"
PROFILES = ("s390x",)
KIND = "interleaving"


class S390FlushUncounted(S390Pgtable):
    component = "pgtable"

    async def ptep_get_and_clear(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Look, clear, note."""
        if not await self.m.load(READ_OLD, self.pte, ptep) & YOUNG:
            return await self.m.xchg(CLEAR, self.pte, ptep, 0)
        if not await self.only_attached(cpu, mm):
            return await self.ipte(cpu, mm, addr, ptep)
        pte = await self.m.xchg(CLEAR, self.pte, ptep, 0)
        await self.m.store(NOTE, self.context_flush_mm, mm, 1)
        return pte
