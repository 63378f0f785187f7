"""A spurious write fault flushes the first page of the page table.

fix_spurious_fault() (mm/memory.c, 7.3) is one function for entries and for PMDs, and is given the
address of the fault: that of the PMD is right for a leaf there alone.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable73

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"
GUARDS = ("spurious-faults",)


class SpuriousFixOfTheWrongPage(Arm64Pgtable73):
    component = "pgtable"

    async def flush_tlb_fix_spurious_fault(self, cpu: int, mm: int, addr: int) -> None:
        """The address is rounded as for a PMD."""
        await super().flush_tlb_fix_spurious_fault(cpu, mm, addr - addr % self.g.ptrs_per_pte)
