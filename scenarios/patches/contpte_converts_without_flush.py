"""A contiguous block is written anew without an invalidation in between.

contpte_convert() (arch/arm64/mm/contpte.c, 6.9) clears all entries, invalidates, and only then
writes them (break before make): a TLB may otherwise hold the block and pages of it at once.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.arch.arm64 import CONVERT_CLEAR, CONVERT_SET, Arm64Pgtable
from sim.core.ledger import TRANSIENT
from sim.core.pte import ACCESS_BITS

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class ContpteConvertsWithoutFlush(Arm64Pgtable):
    component = "pgtable"

    async def convert(self, cpu: int, ptep: int, change: Callable[[int], int]) -> None:
        """Break and make."""
        first, ptes, seen = self.block(ptep), [], 0
        for k in range(self.g.contpte):
            pte = await self.m.xchg(CONVERT_CLEAR, self.pte, first + k, 0)
            ptes.append(pte)
            seen |= pte & ACCESS_BITS
        for k, pte in enumerate(ptes):
            await self.m.store(CONVERT_SET, self.pte, first + k, change(pte | seen), TRANSIENT)
