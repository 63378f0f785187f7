"""A folio is unmapped without the lock of i_mmap.

unmap_mapping_folio() (mm/memory.c, 6.9) holds it for reading: a VMA that it meets must not be
unlinked, and its page tables not be freed, before the walk is through.
"""

from __future__ import annotations

from sim.mm.memory import ZAP_FLAG_DROP_MARKER, ZapDetails
from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-mapping-folio",)


class UnmapsWithoutIMmap(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_folio(self, cpu: int, folio: int) -> None:
        """The folio lock is held, and that is taken to be enough."""
        file, first = self.k.mm_types.mapping_of(folio), self.page_index[folio]
        details = ZapDetails(even_cows=False, zap_flags=ZAP_FLAG_DROP_MARKER)
        await self.unmap_mapping_range_tree(cpu, file, first, first + (1 << self.page_order[folio]), details)
