"""A reader of a VMA's lock does not ask, once it has it, whether a writer has the VMA.

vma_start_write() (include/linux/mm.h, 6.9) lets the rwsem go at once: what says that the VMA is
write-locked is its vm_lock_seq, which vma_start_read() compares with the mm's.
"""

from __future__ import annotations

from sim.mm.mmap_lock import MmapLock

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class VmaReaderDoesNotLookAgain(MmapLock):
    component = "mmap_lock"

    async def is_write_locked(self, mm: int, vma: int) -> bool:
        """The trylock would have failed."""
        return False
