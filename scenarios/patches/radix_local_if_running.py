"""A flush stays on this CPU if this CPU runs the mm, whoever else does.

flush_type_needed() (arch/powerpc/mm/book3s64/radix_tlb.c, 6.9) flushes locally only if the mask of
the mm has no other CPU in it (mm_is_thread_local).
"""

from __future__ import annotations

from sim.arch.ppc64 import RadixTlbFlush
from sim.hardware.tlbflush import MASK

KERNEL = "6.9"
PROFILES = ("ppc64-radix",)
KIND = "interleaving"


class RadixLocalIfRunning(RadixTlbFlush):
    component = "tlbflush"

    async def targets(self, cpu: int, mm: int) -> list[int]:
        """cpumask_test_cpu() in place of cpumask_equal()."""
        if await self.m.load(MASK, self.mm_cpumask, mm) >> cpu & 1:
            return []
        return await super().targets(cpu, mm)
