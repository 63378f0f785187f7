"""Write permission is taken from an entry by a load and a store.

wrprotect_ptes() (include/linux/pgtable.h, 6.9) does it by an atomic operation on architectures
whose hardware sets the dirty bit: a store may make the entry dirty between the two, and that is
lost.
"""

from __future__ import annotations

from sim.core.pte import WRITE
from sim.mm.pgtable import WRPROTECT, Pgtable

KERNEL = "6.9"
PROFILES = ("x86-64", "ppc64-radix")
KIND = "interleaving"


class WrprotectNotAtomic(Pgtable):
    component = "pgtable"

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        """Read, modify, write: three steps, of which two touch memory."""
        for k in range(nr):
            pte = await self.m.load(WRPROTECT, self.pte, ptep + k)
            await self.m.store(WRPROTECT, self.pte, ptep + k, pte & ~WRITE)
