"""userfaultfd's protection is lifted from one entry of a contiguous block that stays folded.

set_pte_at() (arch/arm64/include/asm/pgtable.h, 6.12) unfolds a block first of which it changes one
entry: all entries of a block have the same bits.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable612
from sim.mm.pgtable import Pgtable

KERNEL = "6.12"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"
GUARDS = ("arm64-uffd-wp",)


class UffdResolvesInBlock(Arm64Pgtable612):
    component = "pgtable"

    async def uffd_wp_resolve(self, cpu: int, ptep: int) -> None:
        """__set_pte() in place of set_pte_at()."""
        await Pgtable.uffd_wp_resolve(self, cpu, ptep)
