"""ptep_clear_flush() forgets the page on this CPU alone.

mm/pgtable-generic.c (7.3) calls flush_tlb_page(), which arm64 broadcasts; what its fault path
flushes locally (__ptep_set_access_flags_anysz(), fix_spurious_fault()) has become wider, and this
entry is gone.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable73

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class ClearFlushIsLocal(Arm64Pgtable73):
    component = "pgtable"

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """As at the end of a fault."""
        pte = await self.ptep_get_and_clear(cpu, mm, addr, ptep)
        await self.k.tlb.invalidate(cpu, mm, addr, addr + 1, False)
        return pte
