"""A CPU that comes from init_mm does not say that it is switching.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.12) stores LOADED_MM_SWITCHING whatever it leaves: what
others must not see is that the next mm is not loaded, when its mask has been entered and its
generation is being read.
"""

from __future__ import annotations

from sim.arch.x86_64 import SET_LOADED, SET_MASK, SWITCHING, X86TlbFlush612

KERNEL = "6.12"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("x86-loaded-mm",)


class X86InitMmNotAnnounced(X86TlbFlush612):
    component = "tlbflush"

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """Only who leaves an mm may be taken for somebody who still has it."""
        if prev >= 0:
            await self.m.store(SET_LOADED, self.loaded_mm, cpu, SWITCHING)
            await self.leave_mask(cpu, prev)
        await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
