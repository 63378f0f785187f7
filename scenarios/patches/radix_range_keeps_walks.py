"""A flush of a range leaves the page walk caches alone, whether page tables were freed or not.

radix__tlb_flush() (arch/powerpc/mm/book3s64/radix_tlb.c, 6.9) asks tlb->freed_tables, and then has
tlbie take the walk caches along (RIC_FLUSH_ALL): a CPU need not run the process to have one.
"""

from __future__ import annotations

from sim.arch.ppc64 import RadixTlbFlush

KERNEL = "6.9"
PROFILES = ("ppc64-radix",)
KIND = "sequence"


class RadixRangeKeepsWalks(RadixTlbFlush):
    component = "tlbflush"

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Pages are what a range is made of."""
        await super().flush_range(cpu, mm, start, end, False)
