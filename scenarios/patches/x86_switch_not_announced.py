"""A CPU does not say that it is switching before it reads the mask and the generation.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.18) stores LOADED_MM_SWITCHING first: a flush that finds
the old mm loaded leaves this CPU out, and so must come before the generation is read.
"""

from __future__ import annotations

from sim.arch.x86_64 import SET_MASK, X86TlbFlush618
from sim.hardware.tlbflush import MASK

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("x86-loaded-mm",)


class X86SwitchNotAnnounced(X86TlbFlush618):
    component = "tlbflush"

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """The mask, if need be, and that is all."""
        if not await self.m.load(MASK, self.mm_cpumask, mm) >> cpu & 1:
            await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
