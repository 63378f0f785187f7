"""Delayed rmap removals are made up for in the on-stack batch only.

tlb_flush_rmaps() (mm/mmu_gather.c, 6.9) looks at the active batch too, if that is another one.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "sequence"


class DelayedRmapsOnStackOnly(MmuGather):
    component = "mmu_gather"

    def batches_with_delayed_rmap(self, tlb: int) -> list[int]:
        """&tlb->local, and not tlb->active."""
        return [0]
