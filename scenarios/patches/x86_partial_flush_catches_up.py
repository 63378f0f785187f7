"""A CPU that flushes a range takes itself to be up to date with all flushes there have been.

flush_tlb_func() (arch/x86/mm/tlb.c, 6.9) flushes a range only if it has missed nothing else
(f->new_tlb_gen is the next and the newest generation); else it flushes everything.
"""

from __future__ import annotations

from sim.arch.x86_64 import X86TlbFlush
from sim.hardware.tlb import ALL

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class X86PartialFlushCatchesUp(X86TlbFlush):
    component = "tlbflush"

    def may_flush_range(self, end: int, gen: int, local: int, mm_gen: int) -> bool:
        """The next generation is enough; the newest is what is noted."""
        return end != ALL and gen == local + 1
