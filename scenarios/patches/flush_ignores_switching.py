"""should_flush_tlb() compares the mm that is loaded and forgets LOADED_MM_SWITCHING.

A CPU says so before it enters the mask and reads the generation (4b2e1f1fe8b8). If it has read the
old one, and is not asked, it keeps what its TLB has of the mm from before.
"""

from __future__ import annotations

from sim.arch.x86_64 import LAZY, LOADED, X86TlbFlush612
from sim.core.component import ref_to

KERNEL = "6.12"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("x86-loaded-mm",)


class FlushIgnoresSwitching(X86TlbFlush612):
    component = "tlbflush"

    async def should_flush_tlb(self, cpu: int, mm: int, trim: bool) -> bool:
        """Who has not loaded the mm need not flush it."""
        loaded = await self.m.load(LOADED, self.loaded_mm, cpu)
        if await self.m.load(LAZY, self.cpu_lazy, cpu):
            return False
        return loaded == ref_to(mm) or trim
