"""A fault gives its VMA's lock up once it has the mmap lock, and goes on when that is dropped too.

__vmf_anon_prepare() (mm/memory.c, 6.12) keeps the VMA's lock: it is what the rest of the fault
runs under.
"""

from __future__ import annotations

from sim.versions.v6_12.page_fault import ANON_TRYLOCK, ANON_UNLOCK, PageFault612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("anon-prepare",)


class AnonPrepareDropsVmaLock(PageFault612):
    component = "page_fault"

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """vma_end_read() first, then the trylock."""
        mm = self.k.mm_types.mm_of(vma)
        await self.k.mmap_lock.release_vma(cpu)
        if not await self.m.down_read_trylock(ANON_TRYLOCK, self.mmap_lock, mm):
            return False
        await self.k.rmap.anon_vma_prepare(vma)
        await self.m.up_read(ANON_UNLOCK, self.mmap_lock, mm)
        return True
