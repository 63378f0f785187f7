"""munmap() downgrades the mmap lock before it has detached the VMAs.

do_vmi_align_munmap() (mm/mmap.c, 6.9) detaches while it holds the lock for writing: a fault, which
takes it for reading, must not find a VMA that is being zapped, and fill it again.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

KERNEL = "6.9"
KIND = "interleaving"


class DowngradesBeforeDetaching(Mmap):
    component = "mmap"

    async def detach(self, mm: int, vmas: list[int]) -> None:
        """Later: see below."""

    async def unmap_region(
        self, tlb: int, mm: int, vmas: list[int], start: int, end: int, floor: int, ceiling: int
    ) -> None:
        """The VMAs are detached when they have been unmapped."""
        await super().unmap_region(tlb, mm, vmas, start, end, floor, ceiling)
        await super().detach(mm, vmas)
