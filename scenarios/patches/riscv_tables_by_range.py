"""A gather that has freed page tables flushes its range only.

tlb_flush() (arch/riscv/include/asm/tlb.h, 6.9) flushes the whole mm then: sfence.vma with an
address orders leaf entries only.
"""

from __future__ import annotations

from sim.arch.riscv64 import RiscvTlbFlush

KERNEL = "6.9"
PROFILES = ("riscv64",)
KIND = "interleaving"


class RiscvTablesByRange(RiscvTlbFlush):
    component = "tlbflush"

    async def tlb_flush(self, tlb: int) -> None:
        """freed_tables is not looked at."""
        mm = self.gather_mm[tlb]
        if self.gather_fullmm[tlb]:
            await self.flush_tlb_mm(tlb, mm)
        else:
            await self.flush_range(tlb, mm, self.gather_start[tlb], self.gather_end[tlb], False)
