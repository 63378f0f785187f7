"""Ageing measures a batch up to the end of the folio, in whatever table that is.

folio_referenced_one() (mm/rmap.c, 7.3) passes folio_pte_batch() no more entries than the VMA and
the table have left: what lies behind the table's last entry is no page table of this address.
"""

from __future__ import annotations

from sim.versions.v7_3.rmap import AGE_READ, Rmap73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("ageing-batches",)


class AgesPastTheTable(Rmap73):
    component = "rmap"

    async def folio_referenced_one(
        self, cpu: int, folio: int, mm: int, addr: int, ptep: int, end: int
    ) -> tuple[int, int]:
        """As many entries as the folio has pages."""
        nr = 1
        if self.page_order[folio]:
            pte = await self.k.pgtable.ptep_get(ptep, AGE_READ)
            nr = await self.k.memory.folio_pte_batch(folio, ptep, pte, self.k.mm_types.folio_nr_pages(folio))
        return int(await self.k.pgtable.clear_flush_young_ptes(cpu, mm, addr, ptep, nr)), nr
