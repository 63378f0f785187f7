"""Unmapping a folio of the page cache unmaps its first page.

unmap_mapping_folio() (mm/memory.c, 6.9) goes up to folio_next_index(): each page of a large folio
may be mapped.
"""

from __future__ import annotations

from sim.mm.memory import ZAP_FLAG_DROP_MARKER, ZapDetails
from sim.mm.unmap_mapping import FOLIO_LOCK, FOLIO_UNLOCK, UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-folio", "O30")


class UnmapsOnePageOfFolio(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_folio(self, cpu: int, folio: int) -> None:
        """last_index = folio->index."""
        file, first = self.k.mm_types.mapping_of(folio), self.page_index[folio]
        await self.m.down_read(FOLIO_LOCK, self.i_mmap_lock, file)
        details = ZapDetails(even_cows=False, zap_flags=ZAP_FLAG_DROP_MARKER)
        await self.unmap_mapping_range_tree(cpu, file, first, first + 1, details)
        await self.m.up_read(FOLIO_UNLOCK, self.i_mmap_lock, file)
