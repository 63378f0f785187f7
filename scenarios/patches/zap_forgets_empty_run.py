"""A zap that has passed empty entries goes on with the right entry at the wrong address.

do_zap_pte_range() (mm/memory.c, 6.18) moves pte and addr on together, by what
zap_none_pte_range()'s loop has counted, before it zaps what follows.
"""

from __future__ import annotations

from sim.core.pte import PRESENT
from sim.mm.memory import Zap
from sim.versions.v6_18.memory import Memory618

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class ZapForgetsEmptyRun(Memory618):
    component = "memory"

    async def do_zap_pte_range(self, zap: Zap, addr: int) -> int:
        """The address stays at the beginning of the run."""
        ptep, nr = self.k.pgtable.ptep(zap.table, addr), 0
        pte = await self.k.pgtable.ptep_get(ptep)
        while not pte:
            nr += 1
            if addr + nr == zap.end:
                return nr
            pte = await self.k.pgtable.ptep_get(ptep + nr)
        zap_batch = self.zap_present_ptes if pte & PRESENT else self.zap_nonpresent
        return nr + await zap_batch(zap, addr, ptep + nr, pte)
