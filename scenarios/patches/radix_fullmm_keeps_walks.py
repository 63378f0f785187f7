"""radix's tlb_flush() of a whole mm is radix__flush_tlb_mm(): RIC 0, and walk caches stay.

A gather is one of the whole mm also if another gather of the living mm is open, and that one may
have freed a table.
"""

from __future__ import annotations

from sim.arch.ppc64 import RadixTlbFlush

KERNEL = "6.9"
PROFILES = ("ppc64-radix",)
KIND = "interleaving"


class RadixFullmmKeepsWalks(RadixTlbFlush):
    component = "tlbflush"

    async def tlb_flush(self, tlb: int) -> None:
        """The whole mm, but for the tables."""
        if self.gather_fullmm[tlb]:
            await self.flush_tlb_mm(tlb, self.gather_mm[tlb])
        else:
            await super().tlb_flush(tlb)
