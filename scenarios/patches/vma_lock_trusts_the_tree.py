"""A fault does not ask, once it has locked the VMA that it found, whether that is still the right
one.

lock_vma_under_rcu() (mm/memory.c, 6.9) looks at vm_start, vm_end and detached again: between the
look-up and the lock the VMA may have been cut, or have gone.
"""

from __future__ import annotations

from sim.mm.mmap_lock import MmapLock

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class VmaLockTrustsTheTree(MmapLock):
    component = "mmap_lock"

    def contains(self, vma: int, mm: int, addr: int) -> bool:
        """The look-up has just said so."""
        return True
