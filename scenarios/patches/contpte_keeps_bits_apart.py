"""Each entry of a contiguous block that is unfolded keeps its own young and dirty bits.

contpte_convert() (arch/arm64/mm/contpte.c, 6.9) gathers those of all: hardware sets them in one
entry for the whole block, not in that of the page that was written to.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.arch.arm64 import CONVERT_CLEAR, CONVERT_SET, Arm64Pgtable
from sim.core.ledger import TRANSIENT

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"


class ContpteKeepsBitsApart(Arm64Pgtable):
    component = "pgtable"

    async def convert(self, cpu: int, ptep: int, change: Callable[[int], int]) -> None:
        """An entry is written as it was read, but for the change."""
        first, ptes = self.block(ptep), []
        for k in range(self.g.contpte):
            ptes.append(await self.m.xchg(CONVERT_CLEAR, self.pte, first + k, 0))
        mm, addr = self.mm_addr(first)
        await self.k.tlbflush.flush_range(cpu, mm, addr, addr + self.g.contpte, False)
        for k, pte in enumerate(ptes):
            await self.m.store(CONVERT_SET, self.pte, first + k, change(pte), TRANSIENT)
