"""A CPU that switches compares generations first, and enters the mask of the mm when it is done.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.12) says LOADED_MM_SWITCHING, enters the mask and only
then reads the generation: a flush that comes in between must either be read or find the CPU there.
"""

from __future__ import annotations

from sim.arch.x86_64 import X86TlbFlush612

KERNEL = "6.12"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("x86-loaded-mm",)


class X86EntersMaskLast(X86TlbFlush612):
    component = "tlbflush"

    async def load_mm(self, cpu: int, prev: int, mm: int, was_lazy: bool) -> None:
        """What was missed is made up for before the CPU shows itself."""
        if self.must_catch_up(prev, mm, was_lazy):
            await self.catch_up(cpu, mm)
        if prev != mm:
            await self.begin_switch(cpu, prev, mm)
            await self.end_switch(cpu, mm)
