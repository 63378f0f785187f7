"""A folio that leaves the page cache is unmapped if it is dirty.

truncate_cleanup_folio() and folio_unmap_invalidate() (mm/truncate.c, 6.9) unmap it if it is mapped:
who maps a clean page reads it.
"""

from __future__ import annotations

from sim.mm.truncate import DIRTY, Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-folio", "O32")


class UnmapsOnlyDirty(Truncate):
    component = "truncate"

    async def unmap_if_mapped(self, cpu: int, folio: int, where: int) -> None:
        """Nothing can be lost of a clean one."""
        if await self.m.load(DIRTY, self.page_dirty, folio) and await self.k.rmap.folio_mapped(folio):
            await self.k.unmap_mapping.unmap_mapping_folio(cpu, folio)
            self.k.checks.folio_unmapped(folio, where)
