"""A contiguous block is cleared and written anew with an invalidation on this CPU alone.

contpte_convert() (arch/arm64/mm/contpte.c, 7.3) broadcasts, as break-before-make has to:
TLBF_NOBROADCAST is for entries that become wider (contpte_ptep_set_access_flags()), which every
other CPU may go on using as they were.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable73

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class ContpteRepaintsLocally(Arm64Pgtable73):
    component = "pgtable"

    async def flush_block(self, cpu: int, first: int) -> None:
        """Nothing in the block is narrower than it was."""
        mm, addr = self.mm_addr(first)
        await self.k.tlb.invalidate(cpu, mm, addr, addr + self.g.contpte, False)
