"""MADV_DONTNEED of several VMAs is content with the lock of the first.

try_vma_read_lock() (mm/madvise.c, 6.18) falls back to the mmap lock if the range does not end in
the VMA that it begins in: under the lock of one VMA only that is zapped.
"""

from __future__ import annotations

from sim.mm.mm_types import VM_UFFD_WP
from sim.versions.v6_18.madvise import Madvise618

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("vma-locks",)


class DontneedLocksOneVma(Madvise618):
    component = "madvise"

    def is_vma_lock_sufficient(self, vma: int, end: int) -> bool:
        """Where the range ends is not asked."""
        return not self.vma_flags[vma] & VM_UFFD_WP
