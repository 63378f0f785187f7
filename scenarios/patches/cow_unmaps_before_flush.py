"""A copy on write removes the rmap of the old page before it has cleared and flushed the old entry.

wp_page_copy() (mm/memory.c, 6.9) says why it comes last: once the mapcount is down, another process
may take the page over and write to it, while a stale entry still reads it here.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "interleaving"


class CowUnmapsBeforeFlush(PageFault):
    component = "page_fault"

    async def _switch_to_copy(
        self, cpu: int, mm: int, vma: int, addr: int, ptep: int, old: int, page: int, copy: int, special: bool
    ) -> None:
        """The rmap goes together with the counter."""
        await self.count_copy(cpu, mm, old, special)
        if not special:
            await self.k.rmap.folio_remove_rmap_ptes(old, page, 1, vma)
        await self.k.pgtable.ptep_clear_flush(cpu, mm, addr, ptep)
        await self.map_new_folio(cpu, vma, addr, ptep, copy, 1)
