"""Fault-around maps the pages of a folio over entries that are in use.

filemap_map_folio_range() (mm/filemap.c, 6.9) passes over an entry that is not none.
"""

from __future__ import annotations

from sim.core.ledger import PAGECACHE
from sim.mm.filemap import AROUND_REF, Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "sequence"


class AroundMapsOver(Filemap):
    component = "filemap"

    async def _map_range(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int) -> list[int]:
        """The whole range is one batch."""
        ptep = self.k.pgtable.ptep(table, at)
        await self.k.page_fault.set_pte_range(cpu, vma, at, ptep, page, nr, False, 0, PAGECACHE)
        await self.m.add(AROUND_REF, self.page_ref, self.k.page_head(page), nr, PAGECACHE)
        return list(range(at, at + nr))
