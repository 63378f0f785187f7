"""arm64's tlb_flush() returns for every gather of a whole mm: "the ASID is not used again".

tlb_finish_mmu() makes a gather one of the whole mm, with tables, if another gather of the living mm
is open (nested flushes): all of it is to be flushed then. A CPU that finds an entry empty which
another has cleared, and not flushed yet, flushes nothing; whoever it returns to still reaches the
old page.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64TlbFlush

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class Arm64FullmmNeverFlushes(Arm64TlbFlush):
    component = "tlbflush"

    async def tlb_flush(self, tlb: int) -> None:
        """Nobody uses the address space any more."""
        if self.gather_fullmm[tlb]:
            return
        await super().tlb_flush(tlb)
