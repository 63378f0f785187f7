"""riscv's __flush_tlb_range() does not wait for the other CPUs if no table was freed.

on_each_cpu_mask() is given ``wait`` as "a table was freed": pages are freed before the other CPUs
have taken the interrupt.
"""

from __future__ import annotations

from sim.arch.riscv64 import RiscvTlbFlush
from sim.hardware.tlb import IPI

KERNEL = "6.9"
PROFILES = ("riscv64",)
KIND = "interleaving"


class RiscvLeafFlushAsync(RiscvTlbFlush):
    component = "tlbflush"

    async def flush(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Leaf entries are given up without a wait."""
        targets = await self.targets(cpu, mm)
        await self.k.tlb.post(cpu, targets, IPI, mm, start, end, 0, tables)
        await self.k.tlb.invalidate(cpu, mm, start, end, tables)
        if tables:
            await self.k.tlb.wait_acks(cpu, targets)
