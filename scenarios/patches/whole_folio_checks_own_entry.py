"""A fault that maps a whole folio asks of its own page alone whether the entry is still empty.

finish_fault() (mm/memory.c, 6.18) looks at all of them with pte_range_none(), and maps one page if
one is taken.
"""

from __future__ import annotations

from sim.mm.page_fault import PTE_CHECK
from sim.versions.v6_12.page_fault import PageFault612

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("whole-folio",)


class WholeFolioChecksOwnEntry(PageFault612):
    component = "page_fault"

    async def _lock_empty(
        self, cpu: int, mm: int, addr: int, first: int, page: int, nr: int, orig: int
    ) -> tuple[int, int]:
        """vmf_pte_changed(), for a folio too."""
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return -1, -1
        ptep = self.k.pgtable.ptep(table, addr)
        if await self.m.load(PTE_CHECK, self.pte, ptep) == orig:
            return table, ptep - (page - first)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return -1, -1
