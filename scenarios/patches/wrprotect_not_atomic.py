"""fork() write-protects an entry by a load and a store.

ptep_set_wrprotect() (arch/x86/include/asm/pgtable.h, 6.9) is a clear_bit() or a cmpxchg loop: the
hardware walker of another CPU sets the dirty bit without any lock.
"""

from __future__ import annotations

from sim.core.pte import WRITE
from sim.mm.pgtable import WRPROTECT, Pgtable

KERNEL = "6.9"
PROFILES = ("x86-64", "riscv64", "ppc64-radix")
KIND = "interleaving"


class WrprotectNotAtomic(Pgtable):
    component = "pgtable"

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        """Under the PTL, nobody else is thought to write."""
        for k in range(nr):
            pte = await self.m.load(WRPROTECT, self.pte, ptep + k)
            await self.m.store(WRPROTECT, self.pte, ptep + k, pte & ~WRITE)
