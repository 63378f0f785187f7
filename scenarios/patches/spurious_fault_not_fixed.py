"""A write fault that finds the entry writable already leaves the TLB as it is.

flush_tlb_fix_spurious_fault() (arch/arm64/include/asm/pgtable.h, 7.3) invalidates on this CPU:
whoever made the entry writable has flushed on its own CPU alone.
"""

from __future__ import annotations

from sim.mm.pgtable import Pgtable

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"
GUARDS = ("spurious-faults",)


class SpuriousFaultNotFixed(Pgtable):
    component = "pgtable"

    async def flush_tlb_fix_spurious_fault(self, cpu: int, mm: int, addr: int) -> None:
        """Nothing, as on x86-64."""
