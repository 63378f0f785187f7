"""Fault-around lets go of a folio's lock before it maps the folio's pages.

next_uptodate_folio() (mm/filemap.c, 6.9) returns the folio locked, and filemap_map_pages() unlocks
it when its entries are set: truncation may otherwise remove it in between.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "interleaving"


class AroundMapsUnlocked(Filemap):
    component = "filemap"

    async def _map_folio(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int, size: int) -> list[int]:
        """The reference is taken to keep it there."""
        folio = self.k.page_head(page)
        await self.unlock_folio(folio)
        mapped = await self._map_range(cpu, vma, table, page, at, nr)
        await self.k.swap.folio_put(cpu, folio)
        return mapped
