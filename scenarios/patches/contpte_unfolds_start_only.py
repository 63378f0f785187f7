"""Only the block at the beginning of a range is unfolded if the range covers it in part.

contpte_try_unfold_partial() (arch/arm64/mm/contpte.c, 6.9) looks at the block at the end too: there
some entries are cleared, and the others still say that all belong together.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"


class ContpteUnfoldsStartOnly(Arm64Pgtable):
    component = "pgtable"

    async def unfold_edges(self, cpu: int, ptep: int, nr: int) -> None:
        """The start is unaligned, or there is nothing to do."""
        if ptep != self.block(ptep):
            await self.unfold(cpu, ptep)
