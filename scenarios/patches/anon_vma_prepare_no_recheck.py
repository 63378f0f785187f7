"""Two faults may each give a VMA an anon_vma: it is not looked at again under the lock.

__anon_vma_prepare() (mm/rmap.c, 6.9) allocates without a lock, and then asks under page_table_lock
whether the VMA still has none.
"""

from __future__ import annotations

from sim.core.component import ref_to
from sim.mm.rmap import (
    ANON_LINKED,
    PREPARE_LOCK,
    PREPARE_MM_LOCK,
    PREPARE_MM_UNLOCK,
    PREPARE_READ,
    PREPARE_SET,
    PREPARE_TAKE,
    PREPARE_UNLOCK,
    Rmap,
)

KERNEL = "6.9"
KIND = "interleaving"


class AnonVmaPrepareNoRecheck(Rmap):
    component = "rmap"

    async def anon_vma_prepare(self, vma: int) -> None:
        """The look before the allocation is believed."""
        if await self.m.load(PREPARE_READ, self.vma_anon_prepared, vma):
            return
        anon = await self.slab.take(PREPARE_TAKE)
        mm = self.k.mm_types.mm_of(vma)
        await self.m.down_write(PREPARE_LOCK, self.anon_vma_lock, anon)
        await self.m.lock(PREPARE_MM_LOCK, self.mm_pml, mm)
        self.anon_vma_users[anon] = 1
        self.vma_anon_vma[vma] = ref_to(anon)
        self.vma_linked[vma] |= ANON_LINKED
        await self.m.store(PREPARE_SET, self.vma_anon_prepared, vma, 1)
        await self.m.unlock(PREPARE_MM_UNLOCK, self.mm_pml, mm)
        await self.m.up_write(PREPARE_UNLOCK, self.anon_vma_lock, anon)
