"""A writer of a VMA's lock does not wait until the readers have left.

__vma_start_write() (mm/mmap_lock.c, 7.3) waits until only its own 2^30 and the tree's 1 are in
vm_refcnt: the 2^30 keeps new readers out, and those that are in finish their faults.
"""

from __future__ import annotations

from sim.versions.v6_18.mmap_lock import MmapLock618

KERNEL = "7.3-flushfirst"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class VmaWriterDoesNotWait(MmapLock618):
    component = "mmap_lock"

    async def wait_for_readers(self, vma: int, left: int) -> None:
        """No reader can come in any more."""
