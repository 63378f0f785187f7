"""An entry is set inside a contiguous block, which is not unfolded before.

contpte_set_ptes() (arch/arm64/include/asm/pgtable.h, 6.9) calls contpte_try_unfold() for a single
entry too: the others of the block still say that they belong together with it.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable
from sim.core.ledger import TRANSIENT
from sim.core.pte import CONT
from sim.mm.pgtable import Pgtable

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"


class ContpteSetsIntoBlock(Arm64Pgtable):
    component = "pgtable"

    async def set_ptes(
        self, cpu: int, mm: int, addr: int, ptep: int, pte: int, nr: int, holder: int = TRANSIENT
    ) -> None:
        """A single entry is simply stored, and the block folded if it can be."""
        if nr > 1:
            await super().set_ptes(cpu, mm, addr, ptep, pte, nr, holder)
            return
        await Pgtable.set_ptes(self, cpu, mm, addr, ptep, pte & ~CONT, 1, holder)
        await self.fold(cpu, ptep, pte)
