"""M20: the bits of a batch are read in one pass over its entries, and cleared in another."""

from __future__ import annotations

from sim.core.pte import ACCESS_BITS
from sim.mm.pgtable import Pgtable
from stress.fault import Fault


class ReadBeforeClear(Fault, Pgtable):
    id = "M20"
    component = "pgtable"
    scenario = "dontneed_vs_fault"
    depth = 2
    silent = {
        "s390x": "the dirty bit is software's, set under the PTL",
        "riscv64": "the dirty bit is software's, set under the PTL",
    }

    async def get_and_clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> int:
        """What hardware sets between the passes is cleared unseen."""
        seen, pte = 0, await self.ptep_get(ptep)
        for k in range(1, nr):
            seen |= await self.ptep_get(ptep + k) & ACCESS_BITS
        await super().get_and_clear_full_ptes(cpu, mm, addr, ptep, nr, full)
        return pte | seen
