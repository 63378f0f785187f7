"""N04: a zap that finds entries empty does not flush for the one that has cleared them, as before
4.13 (99baac21e458).
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class ParallelZapFlushMiss(Fault, MmuGather):
    id = "N04"
    component = "mmu_gather"
    scenario = "dontneed_vs_dontneed"
    depth = 2
    silent = {
        "s390x": "s390x invalidates each PTE as it is cleared: an empty entry is in no TLB",
        "ppc64-hash": "ppc64 hash invalidates before it drops the PTL: an empty entry has no hash entry",
    }

    async def mm_tlb_flush_nested(self, mm: int) -> bool:
        """Nobody counts the gathers of an mm."""
        return False
