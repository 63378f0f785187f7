"""A CPU that switches to another mm leaves the mask of the old one.

switch_mm() with ASIDs (arch/riscv/mm/context.c, 6.9) does not clear mm_cpumask(prev): the CPU keeps
its entries, tagged with the ASID, and uses them when it comes back.
"""

from __future__ import annotations

from sim.arch.riscv64 import RiscvTlbFlush
from sim.core.component import index_of_ref
from sim.hardware.tlbflush import SET_MASK

KERNEL = "6.9"
PROFILES = ("riscv64",)
KIND = "interleaving"


class RiscvLeavesMask(RiscvTlbFlush):
    component = "tlbflush"

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """As on architectures that flush when they switch."""
        prev = index_of_ref(self.cpu_mm[cpu])
        if prev not in (-1, mm):
            await self.m.rmw(SET_MASK, self.mm_cpumask, prev, lambda mask: mask & ~(1 << cpu))
        await super().switch_mm(cpu, mm)
