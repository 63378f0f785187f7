"""A zap that breaks off for a reschedule goes on behind the entry that it has not zapped.

zap_pte_range() (mm/memory.c, 6.9) tests need_resched() in the body of a loop whose address is
advanced by the loop's own step; a break must leave the address where it is.
"""

from __future__ import annotations

from sim.core.pte import PRESENT
from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
KIND = "sequence"


class ReschedSkipsEntry(Memory):
    component = "memory"

    async def zap_ptes(self, zap: Zap, addr: int) -> int:
        """The address is advanced before the test."""
        resched = self.m.draw("need_resched after", 8)
        while addr < zap.end:
            at = addr
            ptep = self.k.pgtable.ptep(zap.table, at)
            pte = await self.k.pgtable.ptep_get(ptep)
            addr += 1
            if not pte:
                continue
            if resched == 1:
                break
            resched -= resched > 0
            zap_batch = self.zap_present_ptes if pte & PRESENT else self.zap_nonpresent
            addr = at + await zap_batch(zap, at, ptep, pte)
            if zap.force_break:
                break
        return addr
