"""A fault that has made an anon_vma under its VMA's lock keeps the mmap lock.

__vmf_anon_prepare() (mm/memory.c, 6.12) drops it again: the end of the fault drops the lock under
which it runs, the VMA's.
"""

from __future__ import annotations

from sim.versions.v6_12.page_fault import ANON_TRYLOCK, PageFault612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("anon-prepare",)


class AnonPrepareKeepsMmapLock(PageFault612):
    component = "page_fault"

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """Left to the caller."""
        if not await self.m.down_read_trylock(ANON_TRYLOCK, self.mmap_lock, self.k.mm_types.mm_of(vma)):
            return await super().prepare_without_mmap_lock(cpu, vma)
        await self.k.rmap.anon_vma_prepare(vma)
        return True
