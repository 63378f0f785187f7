"""A lazy CPU that is told of freed tables stays as it is: it will compare generations when a thread
comes back.

flush_tlb_func() (arch/x86/mm/tlb.c, 6.9) switches such a CPU to init_mm: lazy or not, it walks the
tables of the mm that is loaded, on speculation, and has them in its walk cache.
"""

from __future__ import annotations

from sim.arch.x86_64 import X86TlbFlush

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class LazyCpuStaysLoaded(X86TlbFlush):
    component = "tlbflush"

    async def leave_mm(self, cpu: int) -> None:
        """It is lazy: no entry is used."""
