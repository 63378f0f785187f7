"""M22: rmap removal is delayed on s390x, whose gather frees pages at once."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault

GATHERS = "the delay is right here: pages wait in the gather for the flush, and their rmap removal with them"


class S390HookFreesWithDelay(Fault, MmuGather):
    id = "M22"
    component = "mmu_gather"
    scenario = "munmap_vs_writeback"
    silent = dict.fromkeys(
        ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64"), GATHERS
    )

    def tlb_delay_rmap(self, tlb: int) -> bool:
        """True on every architecture."""
        self.gather_delayed_rmap[tlb] = 1
        return True
