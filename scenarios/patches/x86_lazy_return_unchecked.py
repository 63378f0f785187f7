"""A CPU that was lazy and comes back to the same mm does not compare generations.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.9) returns early for the mm that is loaded, but not for a
CPU that was lazy: flushes have left it alone.
"""

from __future__ import annotations

from sim.arch.x86_64 import X86TlbFlush

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class X86LazyReturnUnchecked(X86TlbFlush):
    component = "tlbflush"

    def must_catch_up(self, prev: int, mm: int, was_lazy: bool) -> bool:
        """Nothing to do if prev is next."""
        return prev != mm
