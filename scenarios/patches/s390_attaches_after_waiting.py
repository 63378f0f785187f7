"""s390's switch_mm() waits for flush_count before it enters the mm's attach mask.

Whoever flushes counts first and reads the mask then: a CPU that has waited and is not in the mask
yet is not asked, and it looks for notes too early.
"""

from __future__ import annotations

from sim.arch.s390x import ATTACH, DETACH, S390TlbFlush
from sim.core.component import index_of_ref, ref_to

KERNEL = "6.9"
PROFILES = ("s390x",)
KIND = "interleaving"


class S390AttachesAfterWaiting(S390TlbFlush):
    component = "tlbflush"

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """The wait comes before the mask."""
        prev, self.cpu_mm[cpu] = index_of_ref(self.cpu_mm[cpu]), 0
        await self.wait_for_notes(mm)
        await self.m.rmw(ATTACH, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
        if prev not in (-1, mm):
            await self.m.rmw(DETACH, self.mm_cpumask, prev, lambda mask: mask & ~(1 << cpu))
        await self.flush_mm_lazy(cpu, mm)
        self.cpu_mm[cpu] = ref_to(mm)
