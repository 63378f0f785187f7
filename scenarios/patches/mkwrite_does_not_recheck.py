"""A write fault makes the entry of a shared file page writable without a second look at it.

finish_mkwrite_fault() (mm/memory.c, 6.12) takes the PTL again after the file system was asked, and
compares the entry: MADV_DONTNEED may have cleared it.
"""

from __future__ import annotations

from sim.versions.v6_12.page_fault import PageFault612

KERNEL = "6.12"
KIND = "interleaving"


class MkwriteDoesNotRecheck(PageFault612):
    component = "page_fault"

    async def finish_mkwrite_fault(self, cpu: int, mm: int, addr: int, pte: int) -> bool:
        """The folio is locked: nothing can have happened to its entry."""
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        await self.wp_page_reuse(cpu, mm, addr, table, pte)
        return True
