"""tlb_finish_mmu() does not ask whether another gather of the address space is open.

mm/mmu_gather.c (6.9) flushes everything if mm_tlb_flush_nested(): another thread may have cleared
the entries that this zap found empty, and not have flushed them yet.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64")
KIND = "interleaving"


class NestedGatherIgnored(MmuGather):
    component = "mmu_gather"

    async def mm_tlb_flush_nested(self, mm: int) -> bool:
        """The pending counter is somebody else's business."""
        return False
