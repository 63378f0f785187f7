"""A contiguous block is written anew without an invalidation in between.

contpte_convert() (arch/arm64/mm/contpte.c, 6.9) clears all entries, invalidates, and only then
writes them (break before make): a TLB may otherwise hold the block and pages of it at once.
"""

from __future__ import annotations

from sim.arch.arm64 import Arm64Pgtable

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class ContpteConvertsWithoutFlush(Arm64Pgtable):
    component = "pgtable"

    async def flush_block(self, cpu: int, first: int) -> None:
        """Break and make."""
