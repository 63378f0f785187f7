"""Page faults (mm/memory.c, the fault half, v6.18): a large folio that is one mm's is reused, any
file's large folio mapped whole.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.core.machine import site
from sim.core.pte import DIRTY, WRITE
from sim.versions.v6_12.page_fault import PageFault612
from sim.versions.v6_18.rmap import LOCK, UNLOCK

REUSE_TOTAL = site("__wp_can_reuse_large_anon_folio", "read large mapcount")
REUSE_SHARED = site("__wp_can_reuse_large_anon_folio", "read mapped shared")
REUSE_REFS = site("__wp_can_reuse_large_anon_folio", "read refcount")
RANGE_DIRTY = site("set_pte_range", "read PG_dirty")


class PageFault618(PageFault612):
    """Handles faults as 6.18 does."""

    page_large_mapcount: Column
    page_mapped_shared: Column
    page_mm_ids_lock: Column
    page_dirty: Column

    # -- reuse of large folios -------------------------------------------------------------------------------------

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """Return whether every reference to the folio is this mm's."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        return await super().wp_can_reuse_anon_folio(cpu, folio)

    async def wp_can_reuse_large_anon_folio(self, folio: int) -> bool:
        """Return whether every reference is a mapping's and every mapping this mm's; a folio with
        one mapping left is let go of instead.

        References come before mapcounts and go after them, so equality under the lock that keeps
        mapcounts still is proof.
        """
        if await self.m.load(REUSE_TOTAL, self.page_large_mapcount, folio) <= 1 or not await self.is_sole_owner(folio):
            return False
        await self.m.lock(LOCK, self.page_mm_ids_lock, folio)
        exclusive = await self.is_sole_owner(folio)
        await self.m.unlock(UNLOCK, self.page_mm_ids_lock, folio)
        return exclusive

    async def is_sole_owner(self, folio: int) -> bool:
        """Return whether one mm maps ``folio``, and nothing but its mappings refers to it."""
        if await self.m.load(REUSE_SHARED, self.page_mapped_shared, folio):
            return False
        return await self.m.load(REUSE_TOTAL, self.page_large_mapcount, folio) == await self.m.load(
            REUSE_REFS, self.page_ref, folio
        )

    # -- file memory -----------------------------------------------------------------------------------------------

    def pages_to_map(self, vma: int, addr: int, page: int) -> int:
        """Return how many pages a fault on ``page`` maps: the folio's, of any file, if they fit."""
        return self.pages_that_fit(vma, addr, page)

    async def range_bits(self, vma: int, page: int, write: bool) -> int:
        """Return the bits as 6.9 does, with DIRTY if the entry is writable and the folio dirty
        (6.17).
        """
        bits = await super().range_bits(vma, page, write)
        if bits & (WRITE | DIRTY) == WRITE and await self.m.load(RANGE_DIRTY, self.page_dirty, self.k.page_head(page)):
            bits |= DIRTY
        return bits
