"""A CPU that was lazy and comes back to the same mm does not compare generations.

switch_mm_irqs_off() (arch/x86/mm/tlb.c, 6.9) returns early for the mm that is loaded, but not for a
CPU that was lazy: flushes have left it alone.
"""

from __future__ import annotations

from sim.arch.x86_64 import UNSET_LAZY, WAS_LAZY, X86TlbFlush
from sim.core.component import index_of_ref, ref_to

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class X86LazyReturnUnchecked(X86TlbFlush):
    component = "tlbflush"

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """Nothing to do if prev is next."""
        self.k.tlb.local_irq_save(cpu)
        prev, self.cpu_mm[cpu] = index_of_ref(self.cpu_mm[cpu]), 0
        if await self.m.load(WAS_LAZY, self.cpu_lazy, cpu):
            await self.m.store(UNSET_LAZY, self.cpu_lazy, cpu, 0)
        if prev != mm:
            await self.begin_switch(cpu, prev, mm)
            await self._catch_up(cpu, mm)
            await self.end_switch(cpu, mm)
        self.cpu_mm[cpu] = ref_to(mm)
        self.k.tlb.local_irq_restore(cpu)
