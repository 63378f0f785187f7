"""M34: the architecture's hook runs for the first entry of a batch that is cleared, and for no
other.
"""

from __future__ import annotations

from sim.mm.pgtable import CLEAR, Pgtable
from stress.fault import Fault

BY_RANGE = "the TLB is flushed by the gather's range: no entry has a hook"


class PpcHashFlushFirst(Fault, Pgtable):
    id = "M34"
    component = "pgtable"
    scenario = "partial_zap"
    silent = dict.fromkeys(("x86-64", "ppc64-radix", "riscv64"), BY_RANGE)

    async def get_and_clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> int:
        """The generic batch clears, and records a range."""
        pte = await self.ptep_get_and_clear_full(cpu, mm, addr, ptep, full)
        for k in range(1, nr):
            pte = self.collect_access_bits(pte, await self.m.xchg(CLEAR, self.pte, ptep + k, 0))
        return pte
