"""6.9 without the series "mm/memory: optimize unmap/zap with PTE-mapped THP": one PTE at a time,
one gather slot a page.

The series' own baseline, and what the differential compares 6.9 with: the bodies of 6.8 in a kernel
that is 6.9 otherwise.
"""

from __future__ import annotations

from sim.core.pte import DIRTY, SPECIAL, YOUNG, pte_pfn
from sim.core.version import Version
from sim.mm.memory import Memory, Zap
from sim.mm.mmu_gather import MmuGather


class MemoryPerPage(Memory):
    """6.9 without the series: one PTE at a time, one gather slot a page (the body of zap_pte_range
    in 6.8).
    """

    async def zap_present_ptes(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        page = pte_pfn(pte)
        folio = self.k.page_head(page)
        special = bool(pte & SPECIAL)
        if not special and not self.should_zap_folio(zap.details, folio):
            return 1
        ptent = await self.k.pgtable.ptep_get_and_clear_full(zap.tlb, zap.mm, addr, ptep, self.full(zap))
        self.record_tlb_entries(zap, folio, addr, 1)
        await self.pte_install_uffd_wp_if_needed(zap, ptep, ptent, 1)
        if not special:
            await self.zap_page(zap, folio, page, ptent)
        return 1

    async def zap_page(self, zap: Zap, folio: int, page: int, ptent: int) -> None:
        """Account for one page whose entry has been cleared."""
        delay_rmap, anon = False, self.k.mm_types.folio_test_anon(folio)
        if not anon:
            if ptent & DIRTY:
                await self.k.page_writeback.folio_mark_dirty(folio)
                delay_rmap = self.delay_rmap(zap, 1)
                zap.force_flush |= delay_rmap
            if ptent & YOUNG and self.k.mm_types.vma_has_recency(zap.vma):
                await self.k.swap.folio_mark_accessed(zap.tlb, folio)
        zap.rss[self.k.mm_types.mm_counter(folio)] -= self.rss_nr(1)
        if not delay_rmap:
            await self.k.rmap.folio_remove_rmap_ptes(folio, self.batch_page(folio, page), 1, zap.vma)
        if await self.k.mmu_gather.tlb_remove_folio_pages(zap.tlb, page, 1, delay_rmap):
            zap.force_flush = zap.force_break = True


class MmuGatherPerPage(MmuGather):
    """6.9 without the series: every entry is one slot, and a batch is full when its last slot is
    used.
    """

    entry_words = 1

    def batch_is_full(self, tlb: int) -> bool:
        return self.free_slots(tlb) == 0

    async def free_at_once(self, tlb: int, page: int, nr: int, delay_rmap: bool) -> None:
        """Put the one page at once, with no batch and no drain."""
        await self.k.swap.free_page_and_swap_cache(tlb, page)


VERSION = Version("6.9-perpage", "6.9 without the batching series, its own baseline", (MemoryPerPage, MmuGatherPerPage))
