"""A fault goes on without an anon_vma if the mmap lock cannot be had at once.

__vmf_anon_prepare() (mm/memory.c, 6.12) returns VM_FAULT_RETRY then, having dropped the VMA's lock.
"""

from __future__ import annotations

from sim.versions.v6_12.page_fault import ANON_TRYLOCK, ANON_UNLOCK, PageFault612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("anon-prepare",)


class AnonPrepareGoesOnWithout(PageFault612):
    component = "page_fault"

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """0 is returned whatever the trylock says."""
        mm = self.k.mm_types.mm_of(vma)
        if await self.m.down_read_trylock(ANON_TRYLOCK, self.mmap_lock, mm):
            await self.k.rmap.anon_vma_prepare(vma)
            await self.m.up_read(ANON_UNLOCK, self.mmap_lock, mm)
        return True
