"""Leaving lazy MMU mode does not flush the hash entries that are queued.

arch_leave_lazy_mmu_mode() (arch/powerpc/include/asm/book3s/64/tlbflush-hash.h, 6.9) does so, still
under the PTL; what is left waits for a full batch or for the flush of a gather.
"""

from __future__ import annotations

from sim.arch.ppc64 import HashPgtable

KERNEL = "6.9"
PROFILES = ("ppc64-hash",)
KIND = "interleaving"


class HashLeavesBatchQueued(HashPgtable):
    component = "pgtable"

    async def arch_leave_lazy_mmu_mode(self, cpu: int) -> None:
        """The batch is left to tlb_flush()."""
        self.lazy_active[cpu] = 0
