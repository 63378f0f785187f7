"""A contiguous block is made of entries of which only the first is looked at.

contpte_try_fold() (arch/arm64/mm/contpte.c, 6.9) compares every entry with what the first says:
consecutive pages of one folio, with the same rights.
"""

from __future__ import annotations

from sim.arch.arm64 import FOLD_READ, Arm64Pgtable
from sim.core.pte import CONT, PFN_SHIFT, PRESENT, SPECIAL

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"


class BlockFlagsOfFirst(Arm64Pgtable):
    component = "pgtable"

    async def fold(self, cpu: int, ptep: int, pte: int) -> None:
        """Aligned, present, and not folded yet: the rest is taken for granted."""
        first, last = self.block(ptep), self.g.contpte - 1
        if ptep != first + last or pte & (PRESENT | SPECIAL) != PRESENT or (pte >> PFN_SHIFT) % self.g.contpte != last:
            return
        if await self.m.load(FOLD_READ, self.pte, first) & (PRESENT | CONT) == PRESENT:
            await self.convert(cpu, ptep, lambda entry: entry | CONT)
