"""The copy that a write to the zero page makes is not counted in RSS.

wp_page_copy() (mm/memory.c, 6.9) raises MM_ANONPAGES if there was no old folio, and moves a count
from the file's counter if there was one.
"""

from __future__ import annotations

from sim.core.pte import make_pte
from sim.mm.mm_types import MM_ANONPAGES, NR_MM_COUNTERS
from sim.mm.page_fault import PageFault
from sim.mm.write_fault import RSS_MOVE

KERNEL = "6.9"
KIND = "sequence"


class ZeroPageCowUncounted(PageFault):
    component = "page_fault"

    async def _switch_to_copy(
        self, cpu: int, mm: int, vma: int, addr: int, ptep: int, old: int, page: int, copy: int, special: bool
    ) -> None:
        """Only what was a file's page before is counted."""
        if not special and not self.k.mm_types.folio_test_anon(old):
            counter = (cpu * self.w.mms + mm) * NR_MM_COUNTERS + self.k.mm_types.mm_counter_file(old)
            await self.m.add(RSS_MOVE, self.mm_rss, counter, -1)
            await self.add_rss(cpu, mm, MM_ANONPAGES, 1)
        await self.k.pgtable.ptep_clear_flush(cpu, mm, addr, ptep)
        await self.k.rmap.folio_add_new_anon_rmap(copy, vma, addr)
        await self.k.swap.folio_add_lru(cpu, copy)
        await self.k.pgtable.set_ptes(cpu, mm, addr, ptep, make_pte(copy, self._new_bits(vma)), 1)
        if not special:
            await self.k.rmap.folio_remove_rmap_ptes(old, page, 1, vma)
