"""A TLB invalidation is not waited for.

__flush_tlb_range() and flush_tlb_mm() (arch/arm64/include/asm/tlbflush.h, 6.9) end with dsb(ish):
without it the broadcast may still be on its way when the page is freed.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64TlbFlush
from sim.hardware.tlb import BROADCAST

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class Arm64NoDsb(Arm64TlbFlush):
    component = "tlbflush"

    async def flush(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Only what an earlier request has left is waited for, since there is one slot for each."""
        targets = await self.targets(cpu, mm)
        await self.k.tlb.wait_acks(cpu, [c for c in range(self.w.cpus) if c != cpu])
        await self.k.tlb.post(cpu, targets, BROADCAST, mm, start, end, 0, tables)
        await self.k.tlb.invalidate(cpu, mm, start, end, tables)
