"""N39: the flush for a page table that was freed is one of leaf entries, as for collapse before
6.15 (3ef938c35035).
"""

from __future__ import annotations

from sim.hardware.tlbflush import TlbFlush
from stress.fault import Fault


class X86RangeFlushSkipsLazy(Fault, TlbFlush):
    id = "N39"
    component = "tlbflush"
    scenario = "lazy_cpu"
    depth = 2
    silent = {
        "s390x": "the flush follows a note and is one of everything",
        "ppc64-hash": "hardware walks no Linux page table",
    }

    async def tlb_flush(self, tlb: int) -> None:
        """It is not said that tables go."""
        self.gather_freed_tables[tlb] = 0
        await super().tlb_flush(tlb)
