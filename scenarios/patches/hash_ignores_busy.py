"""A PTE is changed while a hash fault is at work on it.

pte_update() (arch/powerpc/include/asm/book3s/64/hash.h, 6.9) waits for H_PAGE_BUSY: the fault
inserts its hash entry after the change, and writes the PTE again.
"""

from __future__ import annotations

from sim.arch.ppc64 import HashPgtable

KERNEL = "6.9"
PROFILES = ("ppc64-hash",)
KIND = "interleaving"


class HashIgnoresBusy(HashPgtable):
    component = "pgtable"

    def is_busy(self, pte: int) -> bool:
        """The PTL is held, and that is taken to be enough."""
        return False
