"""A CPU says that it is switching only once it has entered the mask and read the generation.

switch_mm_irqs_off() (arch/x86/mm/tlb.c) of 6.12.95 does so; 6.12.118 stores LOADED_MM_SWITCHING
first. A flush in between finds the CPU in the mask with the old mm loaded, and passes it over; the
CPU then loads the mm without having flushed.
"""

from __future__ import annotations

from sim.arch.x86_64 import X86TlbFlush, X86TlbFlush612

KERNEL = "6.12"
PROFILES = ("x86-64",)
KIND = "interleaving"


class X86SwitchingAnnouncedLate(X86TlbFlush612):
    component = "tlbflush"

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """The masks alone: what follows the generation announces the switch and ends it."""
        await X86TlbFlush.begin_switch(self, cpu, prev, mm)
