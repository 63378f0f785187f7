"""A CPU that switches looks for itself in the mask of the mm that it leaves.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.18) asks cpumask_test_cpu(cpu, mm_cpumask(next)), and
enters that mask if it is not in it: the CPU stays in the last mm's mask anyway.
"""

from __future__ import annotations

from sim.arch.x86_64 import SET_LOADED, SET_MASK, SWITCHING, X86TlbFlush618
from sim.hardware.tlbflush import MASK

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "sequence"
GUARDS = ("x86-loaded-mm",)


class X86TestsLastMask(X86TlbFlush618):
    component = "tlbflush"

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """``prev`` in place of ``next``."""
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, SWITCHING)
        if prev < 0 or not await self.m.load(MASK, self.mm_cpumask, prev) >> cpu & 1:
            await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
