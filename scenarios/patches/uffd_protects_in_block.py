"""userfaultfd protects one entry of a contiguous block, and leaves the block as it is.

uffd_wp_range() goes through ptep_modify_prot_start() (arch/arm64/include/asm/pgtable.h, 6.12),
which unfolds the block.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable612
from sim.mm.pgtable import Pgtable

KERNEL = "6.12"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"
GUARDS = ("arm64-uffd-wp",)


class UffdProtectsInBlock(Arm64Pgtable612):
    component = "pgtable"

    async def uffd_wp_protect(self, cpu: int, ptep: int) -> None:
        """The entry is changed in place, as where there are no blocks."""
        await Pgtable.uffd_wp_protect(self, cpu, ptep)
