"""A CPU that runs a kernel thread leaves the mask of the mm, so that flushes do not interrupt it.

On riscv (arch/riscv/include/asm/mmu_context.h) satp stays as it is meanwhile: the hardware may fill
what it likes of the mm, and has it all when the thread comes back.
"""

from __future__ import annotations

from sim.core.component import index_of_ref
from sim.core.machine import site
from sim.hardware.tlbflush import IpiTlbFlush

KERNEL = "6.9"
PROFILES = ("riscv64",)
KIND = "interleaving"

LEAVE = site("enter_lazy_tlb", "clear mm_cpumask")


class RiscvLazyLeavesMask(IpiTlbFlush):
    component = "tlbflush"

    async def enter_lazy_tlb(self, cpu: int) -> None:
        """Nobody uses the mm here now."""
        mm = index_of_ref(self.cpu_mm[cpu])
        if mm >= 0:
            await self.m.rmw(LEAVE, self.mm_cpumask, mm, lambda mask: mask & ~(1 << cpu))
