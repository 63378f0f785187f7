"""A walk from a folio ends where it finds no page table.

page_vma_mapped_walk() (mm/page_vma_mapped.c, 6.9) goes on behind the PMD: a folio may lie across
the edge of two tables, of which the first was never there, or is gone.
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import PageVmaMapped, RmapOne

KERNEL = "6.9"
KIND = "sequence"


class WalkEndsWithoutTable(PageVmaMapped):
    component = "page_vma_mapped"

    async def page_vma_mapped_walk(self, cpu: int, folio: int, vma: int, rmap_one: RmapOne, sync: bool) -> int:
        """Return what was found so far."""
        total, base = 0, self.vma_address(folio, vma)
        addr = max(self.vma_start[vma], base)
        end = min(self.vma_end[vma], base + self.k.mm_types.folio_nr_pages(folio))
        while addr < end:
            stop = min(end, (addr // self.g.ptrs_per_pte + 1) * self.g.ptrs_per_pte)
            table = await self.map_table(cpu, self.k.mm_types.mm_of(vma), addr, sync)
            if table < 0:
                return total
            addr, found = await self.walk_table(cpu, folio, vma, table, addr, stop, rmap_one, sync)
            total += found
        return total
