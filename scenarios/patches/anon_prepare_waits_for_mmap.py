"""A fault under its VMA's lock waits for the mmap lock in order to make an anon_vma.

__vmf_anon_prepare() (mm/memory.c, 6.12) only tries: the mmap lock comes before VMA locks, and
whoever has it for writing may be waiting for this VMA's readers.
"""

from __future__ import annotations

from sim.mm.page_fault import MMAP_LOCK
from sim.versions.v6_12.page_fault import ANON_UNLOCK, PageFault612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("anon-prepare",)


class AnonPrepareWaitsForMmap(PageFault612):
    component = "page_fault"

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """The retry is saved."""
        mm = self.k.mm_types.mm_of(vma)
        await self.m.down_read(MMAP_LOCK, self.mmap_lock, mm)
        await self.k.rmap.anon_vma_prepare(vma)
        await self.m.up_read(ANON_UNLOCK, self.mmap_lock, mm)
        return True
