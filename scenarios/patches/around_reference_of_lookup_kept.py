"""Fault-around takes a reference for each page that it maps, and keeps that of its look-up too.

filemap_map_folio_range() (mm/filemap.c, 6.18) adds one less: the look-up's becomes a mapping's.
"""

from __future__ import annotations

from sim.core.ledger import PAGECACHE
from sim.mm.filemap import AROUND_REF
from sim.versions.v6_18.filemap import Filemap618

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "sequence"


class AroundReferenceOfLookupKept(Filemap618):
    component = "filemap"

    async def _map_run(self, cpu: int, vma: int, table: int, page: int, at: int, run: int, held: bool) -> None:
        """As 6.9 counted, whose look-up put its own."""
        folio, ptep = self.k.page_head(page), self.k.pgtable.ptep(table, at)
        await self.k.page_fault.set_pte_range(cpu, vma, at, ptep, page, run, False, 0, PAGECACHE)
        await self.m.add(AROUND_REF, self.page_ref, folio, run, PAGECACHE)
