"""A fault takes the references of a whole folio before it knows whether it can map it as one.

finish_fault() (mm/memory.c, 6.18) adds nr - 1 references once it has the lock and has seen that all
entries are empty; if one is not, it maps one page with the reference that it has.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.versions.v6_12.page_fault import MAP_REFS, PageFault612

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("whole-folio",)


class WholeFolioReferencesFirst(PageFault612):
    component = "page_fault"

    async def finish_fault(self, cpu: int, mm: int, vma: int, addr: int, page: int, write: bool, orig: int) -> bool:
        """The references come first, and stay."""
        folio = self.k.page_head(page)
        nr = self.pages_to_map(vma, addr, page)
        if nr > 1 and not await self.ends_in_file(vma, folio):
            nr = 1
        await self._pte_alloc_once(cpu, mm, addr)
        if nr > 1:
            await self.m.add(MAP_REFS, self.page_ref, folio, nr - 1, TRANSIENT)
        table, ptep = await self._lock_empty(cpu, mm, addr, page if nr == 1 else folio, page, nr, orig)
        if table < 0 and nr > 1:
            nr = 1
            table, ptep = await self._lock_empty(cpu, mm, addr, page, page, 1, orig)
        if table < 0:
            return False
        first = page if nr == 1 else folio
        await self.set_pte_range(cpu, vma, addr - (page - first), ptep, first, nr, write, orig)
        await self.add_rss(cpu, mm, self.k.mm_types.mm_counter_file(folio), nr)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True
