"""Entries of which some are userfaultfd's are folded into a contiguous block.

contpte_try_fold() (arch/arm64/mm/contpte.c, 6.12) compares all bits but young and dirty:
PTE_UFFD_WP is one of the software bits, and not one of those that are masked.
"""

from __future__ import annotations

from sim.arch.arm64 import FOLD_READ, Arm64Pgtable612
from sim.core.pte import ACCESS_BITS, CONT, PFN_SHIFT, PRESENT, SPECIAL, UFFD_WP

KERNEL = "6.12"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"
GUARDS = ("arm64-uffd-wp",)


class FoldIgnoresUffdWp(Arm64Pgtable612):
    component = "pgtable"

    async def fold(self, cpu: int, ptep: int, pte: int) -> None:
        """Software bits are left out of the comparison."""
        first, last, ignored = self.block(ptep), self.g.contpte - 1, ACCESS_BITS | UFFD_WP
        if ptep != first + last or pte & (PRESENT | SPECIAL) != PRESENT or (pte >> PFN_SHIFT) % self.g.contpte != last:
            return
        ptes = [await self.m.load(FOLD_READ, self.pte, first + k) for k in range(self.g.contpte)]
        head, pfn = ptes[0], ptes[0] >> PFN_SHIFT
        alike = all(pte & ~ignored == (head & ~ignored) + (k << PFN_SHIFT) for k, pte in enumerate(ptes))
        if head & PRESENT and alike and pfn % self.g.contpte == 0 and not head & CONT and self._one_folio(pfn):
            await self.convert(cpu, ptep, lambda pte: pte | CONT)
