"""A hash fault for a store does not make the PTE dirty.

__hash_page_4K() and its kin (arch/powerpc/mm/book3s64/hash_4k.c, 6.9) set _PAGE_DIRTY together with
the busy bit if the access is a write: hardware of this MMU sets it nowhere that Linux looks.
"""

from __future__ import annotations

from sim.arch.ppc64 import HashTlb
from sim.core.pte import DIRTY

KERNEL = "6.9"
PROFILES = ("ppc64-hash",)
KIND = "sequence"


class HashStoreLeavesClean(HashTlb):
    component = "tlb"

    async def walk(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        """The PTE is marked as for a load; what is inserted lets stores through."""
        pte = await super().walk(cpu, mm, addr, False)
        return pte | DIRTY if store and pte >= 0 else pte
