"""A shared page is made writable without the lock of its folio.

do_page_mkwrite() (mm/memory.c, 6.18) returns with the folio locked, and fault_dirty_shared_page()
unlocks it: write-out and truncation come before the entry is writable, or after the folio is dirty.
"""

from __future__ import annotations

from sim.core.ledger import TRANSIENT
from sim.core.pte import pte_pfn
from sim.mm.write_fault import WP_GET
from sim.versions.v6_18.page_fault import PageFault618

KERNEL = "6.18-flushfirst"
KIND = "interleaving"


class MkwriteLeavesFolioOpen(PageFault618):
    component = "page_fault"

    async def wp_page_shared(self, cpu: int, mm: int, vma: int, addr: int, table: int, pte: int) -> None:
        """The PTL and the second look at the entry are thought to do."""
        folio = self.k.page_head(pte_pfn(pte))
        await self.m.add(WP_GET, self.page_ref, folio, 1, TRANSIENT)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        if self.may_mkwrite(vma, folio) and await self.finish_mkwrite_fault(cpu, mm, addr, pte):
            await self.k.page_writeback.folio_mark_dirty(folio)
        await self.k.swap.folio_put(cpu, folio)
