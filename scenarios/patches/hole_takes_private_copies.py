"""Unmapping a folio of the page cache takes the private copies in its place with it.

unmap_mapping_folio() (mm/memory.c, 6.9) clears even_cows: what a process has stored into a private
mapping is its own, whatever becomes of the file.
"""

from __future__ import annotations

from sim.mm.memory import ZAP_FLAG_DROP_MARKER, ZapDetails
from sim.mm.unmap_mapping import FOLIO_LOCK, FOLIO_UNLOCK, UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-folio", "O35")


class HoleTakesPrivateCopies(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_folio(self, cpu: int, folio: int) -> None:
        """The details are those of a truncation."""
        file, first = self.k.mm_types.mapping_of(folio), self.page_index[folio]
        await self.m.down_read(FOLIO_LOCK, self.i_mmap_lock, file)
        details = ZapDetails(even_cows=True, zap_flags=ZAP_FLAG_DROP_MARKER)
        await self.unmap_mapping_range_tree(cpu, file, first, first + (1 << self.page_order[folio]), details)
        await self.m.up_read(FOLIO_UNLOCK, self.i_mmap_lock, file)
