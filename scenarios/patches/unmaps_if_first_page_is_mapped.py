"""A folio that is to leave the page cache is unmapped if its first page is mapped.

truncate_cleanup_folio() and folio_unmap_invalidate() (mm/truncate.c, 6.9) ask folio_mapped(), which
speaks of the whole folio.
"""

from __future__ import annotations

from sim.core.arena import Column
from sim.mm.rmap import MAPPED
from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-folio",)


class UnmapsIfFirstPageIsMapped(Truncate):
    component = "truncate"

    page_mapcount: Column

    async def unmap_if_mapped(self, cpu: int, folio: int, where: int) -> None:
        """page_mapped(&folio->page)."""
        if await self.m.load(MAPPED, self.page_mapcount, folio):
            await self.k.unmap_mapping.unmap_mapping_folio(cpu, folio)
            self.k.checks.folio_unmapped(folio, where)
