"""A fault finds VMAs that munmap() has detached already.

do_vmi_align_munmap() (mm/mmap.c, 6.9) takes them out of the tree before it downgrades: find_vma()
of a fault that takes the mmap lock for reading meanwhile returns none.
"""

from __future__ import annotations

from sim.core.component import ref_to
from sim.mm.mm_types import MmTypes

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class LookupFindsDetached(MmTypes):
    component = "mm_types"

    def vma_lookup(self, mm: int, addr: int) -> int:
        """Whatever belongs to the mm and holds the address."""
        for vma in range(self.w.vmas):
            if self.vma_mm[vma] == ref_to(mm) and self.vma_start[vma] <= addr < self.vma_end[vma]:
                return vma
        return -1
