"""A further batch is opened although delayed rmap removals are pending.

tlb_next_batch() (mm/mmu_gather.c, 6.9) refuses that, since tlb_flush_rmaps() looks at the on-stack
batch and at the active one only: whatever lies between them keeps its mapcounts for ever.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "sequence"


class NextBatchDespiteDelay(MmuGather):
    component = "mmu_gather"

    def must_not_open_batch(self, tlb: int) -> bool:
        """There is always the limit on the number of batches."""
        return False
