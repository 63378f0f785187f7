"""ptep_clear_flush() flushes the page before it clears the entry.

mm/pgtable-generic.c (6.9) clears first: in between another CPU fills its TLB again from the entry
that is about to go.
"""

from __future__ import annotations

from sim.mm.pgtable import Pgtable

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64")
KIND = "interleaving"


class ClearFlushFlushesFirst(Pgtable):
    component = "pgtable"

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """The two calls are turned round."""
        await self.k.tlbflush.flush_tlb_page(cpu, mm, addr)
        return await self.ptep_get_and_clear(cpu, mm, addr, ptep)
