"""The zap ladder (mm/memory.c, v6.9); the fault half of that file is :mod:`sim.mm.page_fault`.

From ``unmap_vmas`` down to ``zap_present_folio_ptes``, in the kernel's order. Lock order:
mmap_lock, PTL. Left out: PMD leaves, hugetlb, device memory, KSM zero pages, notifiers, the
accounting of hiwater marks.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site
from sim.core.pte import (
    DIRTY,
    KIND_DEVICE_PRIVATE,
    KIND_MARKER,
    KIND_MASK,
    KIND_MIGRATION,
    KIND_SWAP,
    PFN_SHIFT,
    PRESENT,
    SPECIAL,
    UFFD_WP,
    WRITE,
    YOUNG,
    make_entry,
    pte_pfn,
)
from sim.mm.mm_types import MM_SWAPENTS, NR_MM_COUNTERS, VM_UFFD_WP

MARKER = site("pte_install_uffd_wp_if_needed", "install marker")
RSS = site("add_mm_rss_vec", "fold rss")
PEEK_PMD = site("zap_pmd_range", "read pmd")
BATCHED_PENDING = site("flush_tlb_batched_pending", "read pending")
SCAN = site("folio_pte_batch", "read pte")

ZAP_FLAG_DROP_MARKER, ZAP_FLAG_UNMAP = 1, 2


@dataclass(frozen=True)
class ZapDetails:
    """struct zap_details, the part that is modelled."""

    even_cows: bool = True
    zap_flags: int = 0
    reclaim_pt: bool = False
    """Free the table if it ends up empty (6.14)."""

    def drop_markers(self) -> bool:
        """Return whether markers such as uffd-wp go (zap_drop_markers)."""
        return bool(self.zap_flags & ZAP_FLAG_DROP_MARKER)


@dataclass
class Zap:
    """What zap_pte_range keeps on its stack, and the C code passes by pointer."""

    tlb: int
    mm: int
    vma: int
    end: int
    table: int
    details: ZapDetails | None
    rss: list[int]
    force_flush: bool = False
    force_break: bool = False
    skipped: bool = False
    """An entry was left, or a marker set: the table is not empty (6.14)."""
    stopped: bool = False
    """The walk broke off: what lies behind may have been filled again (6.14)."""


@dataclass
class ZapBatch:
    """Entries that are zapped together: ``nr`` from ``ptep`` at ``addr`` on, which map ``folio``
    from ``page`` on; ``pte`` is the first.
    """

    folio: int
    page: int
    addr: int
    ptep: int
    pte: int
    nr: int
    delay_rmap: bool = False


class Memory(Component):
    """Zapping, one PTE table at a time."""

    name = "memory"

    pte: Column
    pmd: Column
    mm_rss: Column
    mm_tlb_flush_batched: Column
    vma_start: Cells
    vma_end: Cells
    vma_flags: Cells
    page_order: Cells
    gather_fullmm: Cells

    # -- the ladder ------------------------------------------------------------------------------------------------

    async def unmap_vmas(self, tlb: int, vmas: list[int], start: int, end: int) -> None:
        """Zap [start, end) of each VMA, for munmap and exit."""
        details = ZapDetails(even_cows=True, zap_flags=ZAP_FLAG_DROP_MARKER | ZAP_FLAG_UNMAP)
        for vma in vmas:
            await self.unmap_single_vma(tlb, vma, start, end, details)

    async def unmap_single_vma(self, tlb: int, vma: int, start: int, end: int, details: ZapDetails | None) -> None:
        """Clip to the VMA and zap."""
        start, end = max(start, self.vma_start[vma]), min(end, self.vma_end[vma])
        if start < end:
            await self.unmap_page_range(tlb, vma, start, end, details)

    async def zap_page_range_single(self, cpu: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> None:
        """Zap [addr, end) of one VMA under a gather of its own (MADV_DONTNEED, truncation)."""
        await self.k.swap.drain_before_zap(cpu)
        await self.k.mmu_gather.tlb_gather_mmu(cpu, self.k.mm_types.mm_of(vma))
        await self.unmap_single_vma(cpu, vma, addr, end, details)
        await self.k.mmu_gather.tlb_finish_mmu(cpu)

    async def unmap_page_range(self, tlb: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> None:
        """Zap [addr, end), which lies inside the VMA."""
        await self.k.mmu_gather.tlb_start_vma(tlb, vma)
        while addr < end:
            next_addr = min(end, (addr // self.g.ptrs_per_pte + 1) * self.g.ptrs_per_pte)
            await self.zap_pmd_range(tlb, vma, addr, next_addr, details)
            addr = next_addr
        await self.k.mmu_gather.tlb_end_vma(tlb, vma)

    async def zap_pmd_range(self, tlb: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> None:
        """Zap what one PMD slot maps of [addr, end); again until the end is reached or the slot is
        empty.
        """
        mm = self.k.mm_types.mm_of(vma)
        while addr < end:
            if not await self.m.load(PEEK_PMD, self.pmd, self.k.pgtable.pmd_index(mm, addr)):
                return
            addr = await self.zap_pte_range(tlb, vma, addr, end, details)

    async def zap_pte_range(self, tlb: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> int:
        """Zap [addr, end) of one PTE table; return how far it came."""
        mm, gather, pgtable = self.k.mm_types.mm_of(vma), self.k.mmu_gather, self.k.pgtable
        await gather.tlb_change_page_size(tlb, 1)
        table = await pgtable.pte_offset_map_lock(tlb, mm, addr)
        if table < 0:
            return addr
        zap = Zap(tlb, mm, vma, end, table, details, [0] * NR_MM_COUNTERS)
        await self.flush_tlb_batched_pending(tlb, mm)
        await pgtable.arch_enter_lazy_mmu_mode(tlb)
        addr = await self.zap_ptes(zap, addr)
        await self.finish_zap_ptes(zap)
        return addr

    async def finish_zap_ptes(self, zap: Zap) -> None:
        """Fold RSS; leave lazy MMU mode, and flush if forced; drop the PTL; free what is queued, if
        forced: the end of zap_pte_range, in its order.
        """
        await self.add_mm_rss_vec(zap.tlb, zap.mm, zap.rss)
        await self.leave_and_flush(zap)
        await self.k.pgtable.pte_unmap_unlock(zap.tlb, zap.table)
        if zap.force_flush:
            await self.k.mmu_gather.tlb_flush_mmu(zap.tlb)

    async def flush_tlb_batched_pending(self, cpu: int, mm: int) -> None:
        """Flush what reclaim has cleared without a flush (mm/rmap.c); nothing is pending while
        reclaim is not modelled.
        """
        if self.profile.batched_unmap_flush and await self.m.load(BATCHED_PENDING, self.mm_tlb_flush_batched, mm):
            await self.k.tlbflush.flush_tlb_mm(cpu, mm)

    async def leave_and_flush(self, zap: Zap) -> None:
        """Leave lazy MMU mode; then, if forced, flush the TLB and remove delayed rmaps, still under
        the PTL.
        """
        await self.leave_lazy_mmu_mode(zap)
        if zap.force_flush:
            await self.k.mmu_gather.tlb_flush_mmu_tlbonly(zap.tlb)
            await self.k.mmu_gather.tlb_flush_rmaps(zap.tlb, zap.vma)

    def leave_lazy_mmu_mode(self, zap: Zap) -> Coroutine[Any, Any, None]:
        """Leave lazy MMU mode: before the flush, and under the PTL."""
        return self.k.pgtable.arch_leave_lazy_mmu_mode(zap.tlb)

    async def zap_ptes(self, zap: Zap, addr: int) -> int:
        """Walk the entries of the table up to the end, in batches; return how far it came."""
        resched = self.m.draw("need_resched after", 8)
        while addr < zap.end:
            ptep = self.k.pgtable.ptep(zap.table, addr)
            pte = await self.k.pgtable.ptep_get(ptep)
            nr = 1
            if pte:
                if resched == 1:
                    return self.stopped_at(addr)
                resched -= resched > 0
                if pte & PRESENT:
                    nr = await self.zap_present_ptes(zap, addr, ptep, pte)
                    if zap.force_break:
                        return addr + self.advance(zap, nr)
                else:
                    nr = await self.zap_nonpresent(zap, addr, ptep, pte)
            addr += self.advance(zap, nr)
        return addr

    def stopped_at(self, addr: int) -> int:
        """Return where a walk goes on that has come to ``addr`` and lets others run: there."""
        return addr

    def advance(self, zap: Zap, nr: int) -> int:
        """Return how far the loop goes on after ``nr`` entries (pte += nr, addr += PAGE_SIZE * nr)."""
        return nr

    def full(self, zap: Zap) -> bool:
        """Return whether the whole mm goes, so that entries may be cleared as none can be used any
        more (tlb->fullmm).
        """
        return bool(self.gather_fullmm[zap.tlb])

    async def add_mm_rss_vec(self, cpu: int, mm: int, rss: list[int]) -> None:
        """Fold a vector of counts into the mm's, on this CPU."""
        for member, count in enumerate(rss):
            if count:
                await self.m.add(RSS, self.mm_rss, (cpu * self.w.mms + mm) * NR_MM_COUNTERS + member, count)

    # -- present entries -------------------------------------------------------------------------------------------

    async def zap_present_ptes(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """Zap the present entry at ``addr`` and those that batch with it; return how many. Small
        folios have their own call, in which the count is a constant.
        """
        if pte & SPECIAL:
            await self.zap_present_special(zap, addr, ptep, pte)
            return 1
        page = pte_pfn(pte)
        folio = self.k.page_head(page)
        if not self.should_zap_folio(zap.details, folio):
            zap.skipped = True
            return 1
        max_nr = self.batch_limit(zap, addr, page)
        if self.page_order[folio] and max_nr != 1:
            nr = await self.folio_pte_batch(folio, ptep, pte, max_nr)
            await self.zap_present_folio_ptes(zap, folio, page, addr, ptep, pte, nr)
            return nr
        await self.zap_present_folio_ptes(zap, folio, page, addr, ptep, pte, 1)
        return 1

    def batch_limit(self, zap: Zap, addr: int, page: int) -> int:
        """Return how many entries a batch from ``page`` at ``addr`` on may have: up to the end of
        the range, which ends with the table.
        """
        return zap.end - addr

    async def zap_present_special(self, zap: Zap, addr: int, ptep: int, pte: int) -> None:
        """Zap an entry without a struct page: nothing is counted (f8572367eaff: but a marker may be
        due).
        """
        await self.k.pgtable.ptep_get_and_clear_full(zap.tlb, zap.mm, addr, ptep, self.full(zap))
        self.k.mmu_gather.tlb_remove_tlb_entries(zap.tlb, addr, 1)
        await self.pte_install_uffd_wp_if_needed(zap, ptep, pte, 1)

    async def zap_present_folio_ptes(
        self, zap: Zap, folio: int, page: int, addr: int, ptep: int, pte: int, nr: int
    ) -> None:
        """Zap ``nr`` entries that map consecutive pages of one folio: the heart of the series."""
        batch = ZapBatch(folio, page, addr, ptep, pte, nr)
        if self.k.mm_types.folio_test_anon(folio):
            await self.clear_anon_ptes(zap, addr, ptep, nr)
        else:
            batch.delay_rmap = await self.clear_file_ptes(zap, folio, addr, ptep, nr)
        await self.account_batch(zap, batch)

    async def account_batch(self, zap: Zap, batch: ZapBatch) -> None:
        """Account for entries that have been cleared: the tail of zap_present_folio_ptes, in the
        kernel's order.
        """
        self.lower_rss(zap, batch)
        self.record_tlb_entries(zap, batch.folio, batch.addr, batch.nr)
        await self.pte_install_uffd_wp_if_needed(zap, batch.ptep, batch.pte, batch.nr)
        await self.remove_rmaps(zap, batch)
        await self.queue_pages(zap, batch)

    def lower_rss(self, zap: Zap, batch: ZapBatch) -> None:
        """Count the pages off the vector that is folded at the end of the table (rss[...] -= nr)."""
        zap.rss[self.k.mm_types.mm_counter(batch.folio)] -= self.rss_nr(batch.nr)

    async def remove_rmaps(self, zap: Zap, batch: ZapBatch) -> None:
        """Remove the rmaps, unless that waits for the TLB flush (if (!delay_rmap))."""
        if not batch.delay_rmap:
            first = self.batch_page(batch.folio, batch.page)
            await self.k.rmap.folio_remove_rmap_ptes(batch.folio, first, batch.nr, zap.vma)

    async def queue_pages(self, zap: Zap, batch: ZapBatch) -> None:
        """Queue the pages, and break off if the gather is full (__tlb_remove_folio_pages)."""
        first = self.batch_page(batch.folio, batch.page)
        if await self.k.mmu_gather.tlb_remove_folio_pages(zap.tlb, first, batch.nr, batch.delay_rmap):
            zap.force_flush = zap.force_break = True

    def clear_anon_ptes(self, zap: Zap, addr: int, ptep: int, nr: int) -> Coroutine[Any, Any, None]:
        """Clear the entries of an anonymous folio, and forget their young and dirty bits."""
        return self.k.pgtable.clear_full_ptes(zap.tlb, zap.mm, addr, ptep, nr, self.full(zap))

    async def clear_file_ptes(self, zap: Zap, folio: int, addr: int, ptep: int, nr: int) -> bool:
        """Clear the entries of a file folio; pass dirty and young on; return whether the rmap
        removal is delayed.
        """
        ptent = await self.k.pgtable.get_and_clear_full_ptes(zap.tlb, zap.mm, addr, ptep, nr, self.full(zap))
        delay_rmap = False
        if ptent & DIRTY:
            delay_rmap = await self.pass_dirty_on(zap, folio, nr)
        if ptent & YOUNG and self.k.mm_types.vma_has_recency(zap.vma):
            await self.k.swap.folio_mark_accessed(zap.tlb, folio)
        return delay_rmap

    async def pass_dirty_on(self, zap: Zap, folio: int, nr: int) -> bool:
        """Mark the folio of dirty entries dirty; return whether its rmap removal waits for the TLB
        flush, which is forced then (if (pte_dirty(ptent))).
        """
        await self.k.page_writeback.folio_mark_dirty(folio)
        delay_rmap = self.delay_rmap(zap, nr)
        zap.force_flush |= delay_rmap
        return delay_rmap

    def delay_rmap(self, zap: Zap, nr: int) -> bool:
        """Return whether the rmap removal of a dirty batch waits for the TLB flush."""
        return self.k.mmu_gather.tlb_delay_rmap(zap.tlb)

    def rss_nr(self, nr: int) -> int:
        """Return by how much a batch of ``nr`` entries lowers RSS."""
        return nr

    def record_tlb_entries(self, zap: Zap, folio: int, addr: int, nr: int) -> None:
        """Extend the gather's range by the batch."""
        self.k.mmu_gather.tlb_remove_tlb_entries(zap.tlb, addr, nr)

    def batch_page(self, folio: int, page: int) -> int:
        """Return the first page of the batch: the one that its first entry maps."""
        return page

    def should_zap_folio(self, details: ZapDetails | None, folio: int) -> bool:
        """Return whether ``details`` let ``folio`` go."""
        return self.should_zap_cows(details) or not self.k.mm_types.folio_test_anon(folio)

    def should_zap_cows(self, details: ZapDetails | None) -> bool:
        """Return whether private copies go too."""
        return details is None or details.even_cows

    async def folio_pte_batch(
        self, folio: int, ptep: int, pte: int, max_nr: int, ignore: int = DIRTY, written: list[int] | None = None
    ) -> int:
        """Return how many entries from ``ptep`` on map consecutive pages of ``folio`` alike
        (mm/internal.h).

        Young and write never matter, nor do the bits of ``ignore``; the entries read are added to
        ``written``.
        """
        drop = YOUNG | WRITE | ignore | self.k.pgtable.bookkeeping
        max_nr = self.batch_pages_max(folio, pte_pfn(pte), max_nr)
        nr = self.k.pgtable.pte_batch_hint(ptep, pte)
        while nr < max_nr:
            entry = await self.k.pgtable.ptep_get(ptep + nr, SCAN)
            if not self.pte_batches(folio, entry, (pte & ~drop) + (nr << PFN_SHIFT), drop):
                break
            if written is not None:
                written.append(entry)
            nr += self.k.pgtable.pte_batch_hint(ptep + nr, entry)
        return min(nr, max_nr)

    def batch_pages_max(self, folio: int, page: int, max_nr: int) -> int:
        """Return how many of ``max_nr`` entries from that of ``page`` on are worth a look: all."""
        return max_nr

    def pte_batches(self, folio: int, entry: int, expected: int, drop: int) -> bool:
        """Return whether ``entry`` continues a batch: as expected, and inside the folio."""
        return entry & ~drop == expected and pte_pfn(entry) < folio + (1 << self.page_order[folio])

    # -- entries that are not present ------------------------------------------------------------------------------

    async def zap_nonpresent(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """Zap an entry that is not present and swap entries that batch with it; return how many."""
        if not self.nonpresent_goes(zap, pte):
            zap.skipped = True
            return await self.nonpresent_left(zap, addr, ptep, pte)
        kind, nr = pte & KIND_MASK, 1
        if kind == KIND_SWAP:
            nr = await self.swap_pte_batch(ptep, pte, zap.end - addr)
            zap.rss[MM_SWAPENTS] -= nr
            await self.k.swapfile.free_swap_and_cache_nr(pte_pfn(pte), nr)
        elif kind == KIND_MIGRATION:
            zap.rss[self.k.mm_types.mm_counter(self.k.page_head(pte_pfn(pte)))] -= 1
        for k in range(nr):
            await self.k.pgtable.pte_clear_not_present_full(ptep + k)
        await self.pte_install_uffd_wp_if_needed(zap, ptep, pte, nr)
        return nr

    async def nonpresent_left(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """Return how many entries are passed where one that is not present stays: that one."""
        return 1

    def nonpresent_goes(self, zap: Zap, pte: int) -> bool:
        """Return whether an entry that is not present is to be zapped."""
        kind = pte & KIND_MASK
        if kind == KIND_MIGRATION:
            return self.should_zap_folio(zap.details, self.k.page_head(pte_pfn(pte)))
        if kind == KIND_MARKER:
            return self.k.mm_types.vma_is_anonymous(zap.vma) or self.drop_markers(zap)
        return kind != KIND_DEVICE_PRIVATE and self.should_zap_cows(zap.details)

    async def swap_pte_batch(self, ptep: int, pte: int, max_nr: int) -> int:
        """Return how many swap entries from ``ptep`` on are freed at once: one (6.9)."""
        return 1

    def drop_markers(self, zap: Zap) -> bool:
        """Return whether this zap drops markers."""
        return zap.details is not None and zap.details.drop_markers()

    async def pte_install_uffd_wp_if_needed(self, zap: Zap, ptep: int, pte: int, nr: int) -> None:
        """Leave a marker in each of ``nr`` slots whose entry was write-protected by userfaultfd, if
        it must stay.
        """
        if self.k.mm_types.vma_is_anonymous(zap.vma) or self.drop_markers(zap) or not pte & UFFD_WP:
            return
        if not self.vma_flags[zap.vma] & VM_UFFD_WP:
            return
        zap.skipped = True
        for k in range(self.marker_nr(nr)):
            await self.m.store(MARKER, self.pte, ptep + k, make_entry(KIND_MARKER, 0, UFFD_WP))

    def marker_nr(self, nr: int) -> int:
        """Return how many slots of a batch of ``nr`` get a marker."""
        return nr
