"""folio_referenced() takes the anon_vma's lock and does not ask again whether the folio is mapped.

folio_lock_anon_vma_read() (mm/rmap.c, 6.9) does: a reference to the folio keeps neither its
mappings nor its anon_vma, which may have been freed, and be another family's, before it was locked.
"""

from __future__ import annotations

from sim.mm.mm_types import MAPPING_ANON
from sim.mm.rmap import (
    AGE_TRYLOCK,
    AGE_UNLOCK,
    ANON_READ,
    ANON_UNLOCK,
    I_MMAP_READ,
    I_MMAP_UNLOCK,
    Rmap,
)

KERNEL = "6.9"
KIND = "interleaving"


class ReferencedTrustsAnonVma(Rmap):
    component = "rmap"

    async def folio_referenced(self, cpu: int, folio: int) -> int:
        """Mapped before the lock is mapped under the lock."""
        anon = self.page_mapping[folio] & MAPPING_ANON
        lock, index = (self.anon_vma_lock if anon else self.i_mmap_lock), self.k.mm_types.mapping_of(folio)
        if index < 0 or not await self.folio_mapped(folio):
            return 0
        if not anon and not await self.m.trylock(AGE_TRYLOCK, self.page_locked, folio):
            return 1

        async def folio_referenced_one(mm: int, addr: int, ptep: int, end: int) -> tuple[int, int]:
            return await self.folio_referenced_one(cpu, folio, mm, addr, ptep, end)

        await self.m.down_read(ANON_READ if anon else I_MMAP_READ, lock, index)
        self.k.checks.rmap_walked(folio)
        young = await self.rmap_walk(cpu, folio, folio_referenced_one, sync=False)
        await self.m.up_read(ANON_UNLOCK if anon else I_MMAP_UNLOCK, lock, index)
        if not anon:
            await self.m.unlock(AGE_UNLOCK, self.page_locked, folio)
        return young
