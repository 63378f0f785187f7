"""N06: the end of one gather makes an mm forget all flushes that are pending, as before 4.13
(16af97dc5a89).
"""

from __future__ import annotations

from sim.mm.mmu_gather import PENDING_DEC, MmuGather
from stress.fault import Fault


class FlushPendingBoolean(Fault, MmuGather):
    id = "N06"
    component = "mmu_gather"
    scenario = "many_gathers"
    depth = 3
    silent = {
        "s390x": "s390x invalidates each PTE as it is cleared: an empty entry is in no TLB",
        "ppc64-hash": "ppc64 hash invalidates before it drops the PTL: an empty entry has no hash entry",
    }

    async def dec_tlb_flush_pending(self, mm: int) -> None:
        """A flag, not a count: whoever is first clears it for all."""
        await self.m.store(PENDING_DEC, self.mm_tlb_flush_pending, mm, 0)
