"""munmap() frees a page table that the VMA below still uses.

do_vmi_align_munmap() by way of unmap_region() (mm/mmap.c, 6.9) passes the end of the previous VMA
as the floor below which free_pgtables() must not go.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.9"
KIND = "sequence"


class NeighboursNotAsked(Mmap):
    component = "mmap"

    def _neighbours(self, mm: int, start: int, end: int) -> tuple[int, int]:
        """The floor is that of the first VMA of all."""
        _, ceiling = super()._neighbours(mm, start, end)
        return 0, ceiling
