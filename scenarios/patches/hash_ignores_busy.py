"""A PTE is changed while a hash fault is at work on it.

pte_update() (arch/powerpc/include/asm/book3s/64/hash.h, 6.9) waits for H_PAGE_BUSY: the fault
inserts its hash entry after the change, and writes the PTE again.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.arch.ppc64 import HashPgtable
from sim.core.pte import HASHPTE

KERNEL = "6.9"
PROFILES = ("ppc64-hash",)
KIND = "interleaving"


class HashIgnoresBusy(HashPgtable):
    component = "pgtable"

    async def pte_update(
        self, cpu: int, mm: int, addr: int, ptep: int, where: int, change: Callable[[int], int]
    ) -> int:
        """The PTL is held, and that is taken to be enough."""
        old = await self.m.rmw(where, self.pte, ptep, change)
        if old & HASHPTE:
            await self.hpte_need_flush(cpu, mm, addr)
        return old & ~HASHPTE
