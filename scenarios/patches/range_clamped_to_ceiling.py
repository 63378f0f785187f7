"""A range that is too long to be flushed page by page is cut off instead of being flushed whole.

__flush_tlb_range() (arch/arm64/include/asm/tlbflush.h, 6.9) falls back to flush_tlb_mm() above
MAX_DVM_OPS; riscv does alike.
"""

from __future__ import annotations

from sim.hardware.tlbflush import TlbFlush

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64")
KIND = "interleaving"


class RangeClampedToCeiling(TlbFlush):
    component = "tlbflush"

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """At most as many pages as are worth it."""
        await self.flush(cpu, mm, start, min(end, start + self.g.flush_ceiling), tables)
