"""A CPU that flushes a range takes itself to be up to date with all flushes there have been.

flush_tlb_func() (arch/x86/mm/tlb.c, 6.9) flushes a range only if it has missed nothing else
(f->new_tlb_gen is the next and the newest generation); else it flushes everything.
"""

from __future__ import annotations

from sim.arch.x86_64 import LAZY, READ_GEN, X86TlbFlush
from sim.core.component import ref_to
from sim.hardware.tlb import ALL

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class X86PartialFlushCatchesUp(X86TlbFlush):
    component = "tlbflush"

    async def flush_tlb_func(self, cpu: int, mm: int, start: int, end: int, gen: int) -> None:
        """The next generation is enough; the newest is what is noted."""
        if self.cpu_mm[cpu] != ref_to(mm):
            return
        if await self.m.load(LAZY, self.cpu_lazy, cpu):
            await self.leave_mm(cpu)
            return
        local = self.cpu_tlb_gen[cpu * self.w.mms + mm]
        if gen <= local:
            return
        mm_gen = await self.m.load(READ_GEN, self.mm_tlb_gen, mm)
        if gen > local + 1:
            start, end = 0, ALL
        await self.k.tlb.invalidate(cpu, mm, start, end, True)
        self.cpu_tlb_gen[cpu * self.w.mms + mm] = mm_gen
