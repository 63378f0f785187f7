"""munmap() takes how far tables may be freed from the VMAs that are still attached.

do_vmi_align_munmap() (mm/mmap.c, 6.9) takes prev and next under the lock for writing, and downgrades
only if neither may grow: a neighbour that another munmap has detached has its entries still.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.9"
KIND = "interleaving"


class FloorOfAttachedOnly(Mmap):
    component = "mmap"

    def _neighbours(self, mm: int, start: int, end: int) -> tuple[int, int]:
        """What is detached is taken to be gone."""
        last = self.k.pgtable.per_mm * self.g.ptrs_per_pte
        vmas = self.k.mm_types.vmas_in(mm, 0, last)
        floor = max((self.vma_end[vma] for vma in vmas if self.vma_end[vma] <= start), default=0)
        return floor, min((self.vma_start[vma] for vma in vmas if self.vma_start[vma] >= end), default=last)
