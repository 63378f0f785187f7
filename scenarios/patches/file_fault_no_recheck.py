"""A file fault maps its page without looking whether the entry is still as it was.

finish_fault() (mm/memory.c, 6.9) compares it under the PTL with what the fault began with: another
thread's fault, or fault-around, may have been faster.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "interleaving"


class FileFaultNoRecheck(PageFault):
    component = "page_fault"

    async def finish_fault(self, cpu: int, mm: int, vma: int, addr: int, page: int, write: bool, orig: int) -> bool:
        """The folio lock is held, and that is taken to be enough."""
        await self._pte_alloc_once(cpu, mm, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        ptep = self.k.pgtable.ptep(table, addr)
        await self.add_rss(cpu, mm, self.k.mm_types.mm_counter_file(self.k.page_head(page)), 1)
        await self.set_pte_range(cpu, vma, addr, ptep, page, 1, write, orig)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True
