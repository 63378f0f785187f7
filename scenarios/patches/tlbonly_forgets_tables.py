"""A gather that freed page tables and cleared no entry does not flush the TLB.

tlb_flush_mmu_tlbonly() (include/asm-generic/tlb.h, 6.9) has work if tables were freed or entries of
any level cleared; free_pgtables() of a range that holds no pages leaves only the former.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64")
KIND = "interleaving"


class TlbonlyForgetsTables(MmuGather):
    component = "mmu_gather"

    async def tlb_flush_mmu_tlbonly(self, tlb: int) -> None:
        """Only cleared PTEs count as work."""
        if self.gather_cleared_ptes[tlb]:
            await super().tlb_flush_mmu_tlbonly(tlb)
