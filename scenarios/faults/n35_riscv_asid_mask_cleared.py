"""N35: a CPU that switches to another mm leaves the mask of the last one, and keeps its entries, as
on riscv before 6.3 (82dd33fde026).
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.hardware.tlbflush import SET_MASK, TlbFlush
from stress.fault import Fault

BROADCASTS = "flushes are broadcast here: they go by no mask"


class RiscvAsidMaskCleared(Fault, TlbFlush):
    id = "N35"
    component = "tlbflush"
    scenario = "lazy_cpu"
    depth = 2
    silent = {
        **dict.fromkeys(("arm64-4k", "arm64-16k", "arm64-64k", "ppc64-hash"), BROADCASTS),
        "x86-64": "a CPU that comes back compares generations",
        "s390x": "a CPU that comes back makes up for flushes that were noted",
    }

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """As where a switch flushes."""
        prev = index_of_ref(self.cpu_mm[cpu])
        if prev not in (-1, mm):
            await self.m.rmw(SET_MASK, self.mm_cpumask, prev, lambda mask: mask & ~(1 << cpu))
        await super().switch_mm(cpu, mm)
