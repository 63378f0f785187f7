"""Entries of an address space that is in use are cleared by a load and a store.

ptep_get_and_clear_full() (arch/x86/include/asm/pgtable.h, 6.9) does so only for fullmm, when no CPU
runs the mm any more: hardware sets the dirty bit of a live entry between the two.
"""

from __future__ import annotations

from sim.mm.pgtable import Pgtable

KERNEL = "6.9"
PROFILES = ("x86-64", "ppc64-radix")
KIND = "interleaving"


class LiveMmClearedPlainly(Pgtable):
    component = "pgtable"

    async def ptep_get_and_clear_full(self, cpu: int, mm: int, addr: int, ptep: int, full: bool) -> int:
        """The PTL is held, and that is taken to be enough."""
        return await self.plain_get_and_clear(ptep)
