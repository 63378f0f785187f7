"""mmu_gather (mm/mmu_gather.c, include/asm-generic/tlb.h, v6.9).

What one gather does, in the order of events:

1. ``tlb_gather_mmu`` opens it and raises the mm's pending counter;
2. PTEs are cleared under the PTL; each clear extends the range that must be flushed
   (``tlb_remove_tlb_entries``);
3. pages are queued with the references that their mappings held (``tlb_remove_folio_pages``), in
   encoded words: a page with two flag bits, the second of which says that the next word is a count.
   "Full" is reported after the append, while there is still room for a pair;
4. a flush invalidates the range (``tlb_flush_mmu_tlbonly``); while the PTL is still held, delayed
   rmap removals are then made up for (``tlb_flush_rmaps``); only after the flush are tables freed,
   and then pages;
5. ``tlb_finish_mmu`` flushes what is left, everything if another gather is open, and lowers the
   counter.

There is one gather per CPU; its state is private to the CPU's thread. Batch 0 is the on-stack one.
Left out: hugetlb, need_flush_all, the encoded-page consumers of zone-device memory.
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, Cells, Column, Field, alike, bits_for
from sim.core.component import Component
from sim.core.ledger import GATHER, TABLE, TRANSIENT
from sim.core.machine import site

ENCODED_PAGE_BIT_DELAY_RMAP = 1
ENCODED_PAGE_BIT_NR_PAGES_NEXT = 2
ENCODED_SHIFT = 2

PENDING_INC = site("tlb_gather_mmu", "raise flush pending")
PENDING_READ = site("tlb_finish_mmu", "read flush pending")
PENDING_DEC = site("tlb_finish_mmu", "lower flush pending")

DELAYED_DEC = site("tlb_flush_rmap_batch", "mapcount -1")


def encode_page(pfn: int, flags: int) -> int:
    """Return the gather word of a page."""
    return pfn << ENCODED_SHIFT | flags


def encode_nr_pages(nr: int) -> int:
    """Return the gather word of a count; its flag bits are clear."""
    return nr << ENCODED_SHIFT


class MmuGather(Component):
    """Gathers, their batches, and the table batches."""

    name = "mmu_gather"

    gather_mm: Cells
    gather_start: Cells
    gather_end: Cells
    gather_fullmm: Cells
    gather_freed_tables: Cells
    gather_delayed_rmap: Cells
    gather_cleared_ptes: Cells
    gather_cleared_pmds: Cells
    gather_batch_count: Cells
    gather_active: Cells
    gather_page_size: Cells
    gather_nr: Cells
    gather_words: Cells
    gather_tables: Cells
    gather_tables_nr: Cells
    gather_open: Cells
    mm_tlb_flush_pending: Column

    entry_words = 2
    """The most words that one entry takes."""

    def fields(self) -> list[Field]:
        cpus, g = self.w.cpus, self.g
        self.batches, self.stride = 1 + g.gather_batch_count, max(g.gather_batch, g.gather_bundle)
        flags = ("fullmm", "freed_tables", "delayed_rmap", "cleared_ptes", "cleared_pmds")
        tables, slots = g.table_batch if self.profile.table_free else 0, self.k.pgtable.table_slots
        return [
            Field("gather_mm", cpus, PRIVATE, bits=bits_for(self.w.mms - 1)),
            *alike(("gather_start", "gather_end"), cpus, PRIVATE, bits=bits_for(self.w.vpages)),
            *alike((f"gather_{flag}" for flag in flags), cpus, PRIVATE, bits=1),
            *alike(("gather_batch_count", "gather_active"), cpus, PRIVATE, bits=bits_for(g.gather_batch_count)),
            *alike(("gather_page_size", "gather_open"), cpus, PRIVATE, bits=1),
            Field("gather_nr", cpus * self.batches, PRIVATE, bits=bits_for(self.stride)),
            Field(
                "gather_words", cpus * self.batches * self.stride, PRIVATE, bits=ENCODED_SHIFT + bits_for(self.w.pages)
            ),
            Field("gather_tables", cpus * tables, PRIVATE, bits=bits_for(slots - 1)),
            Field("gather_tables_nr", cpus, PRIVATE, bits=bits_for(g.table_batch)),
        ]

    # -- opening ---------------------------------------------------------------------------------------------------

    async def tlb_gather_mmu(self, tlb: int, mm: int, fullmm: bool = False) -> None:
        """Open the gather of CPU ``tlb`` on ``mm``."""
        self.gather_mm[tlb], self.gather_fullmm[tlb], self.gather_open[tlb] = mm, fullmm, 1
        self.gather_delayed_rmap[tlb] = self.gather_batch_count[tlb] = self.gather_active[tlb] = self.gather_page_size[
            tlb
        ] = 0
        for batch in range(self.batches):
            self.gather_nr[tlb * self.batches + batch] = 0
        self.gather_tables_nr[tlb] = 0
        self.tlb_reset_range(tlb)
        self.k.checks.gather_opened(tlb)
        await self.m.add(PENDING_INC, self.mm_tlb_flush_pending, mm, 1)

    def tlb_reset_range(self, tlb: int) -> None:
        """Forget what is to be flushed (__tlb_reset_range)."""
        top = self.w.vpages
        self.gather_start[tlb], self.gather_end[tlb] = (top, top) if self.gather_fullmm[tlb] else (top, 0)
        self.gather_freed_tables[tlb] = self.gather_cleared_ptes[tlb] = self.gather_cleared_pmds[tlb] = 0

    # -- the range -------------------------------------------------------------------------------------------------

    def tlb_remove_tlb_entries(self, tlb: int, addr: int, nr: int) -> None:
        """Record that the PTEs of ``nr`` pages from ``addr`` on have been cleared."""
        self.tlb_flush_pte_range(tlb, addr, nr)

    def tlb_flush_pte_range(self, tlb: int, addr: int, size: int) -> None:
        """Extend the range by [addr, addr + size)."""
        self.tlb_adjust_range(tlb, addr, size)
        self.gather_cleared_ptes[tlb] = 1

    def tlb_adjust_range(self, tlb: int, addr: int, size: int) -> None:
        """Widen the range to be flushed by ``size`` pages at ``addr`` (__tlb_adjust_range)."""
        self.gather_start[tlb] = min(self.gather_start[tlb], addr)
        self.gather_end[tlb] = max(self.gather_end[tlb], addr + size)

    async def tlb_start_vma(self, tlb: int, vma: int) -> None:
        """Enter a VMA: its cache attributes are not modelled."""

    async def tlb_end_vma(self, tlb: int, vma: int) -> None:
        """Leave a VMA: without MERGE_VMAS the TLB is flushed here, while pages stay queued."""
        if not self.gather_fullmm[tlb] and not self.profile.merge_vmas:
            await self.tlb_flush_mmu_tlbonly(tlb)

    async def tlb_change_page_size(self, tlb: int, page_size: int) -> None:
        """Flush everything before another page size is zapped (MMU_GATHER_PAGE_SIZE)."""
        if not self.profile.page_size_tracking:
            return
        if self.gather_page_size[tlb] not in (0, page_size) and not self.gather_fullmm[tlb]:
            await self.tlb_flush_mmu(tlb)
        self.gather_page_size[tlb] = page_size

    def tlb_delay_rmap(self, tlb: int) -> bool:
        """Return whether the rmap removal of a dirty file page waits for the flush; note that one
        will.
        """
        if not self.profile.delays_rmap:
            return False
        self.gather_delayed_rmap[tlb] = 1
        return True

    # -- queueing --------------------------------------------------------------------------------------------------

    async def tlb_remove_folio_pages(self, tlb: int, page: int, nr: int, delay_rmap: bool) -> bool:
        """Queue ``nr`` pages of one folio with their references; return whether the gather is now
        full.
        """
        folio = self.k.page_head(page)
        self.k.ledger.move(TRANSIENT, GATHER, folio, nr)
        if not self.profile.gathers:
            await self.free_at_once(tlb, page, nr, delay_rmap)
            return False
        return self.queue(tlb, self.encode(page, nr, delay_rmap))

    def queue(self, tlb: int, words: list[int]) -> bool:
        """Append an entry, and open the next batch if that fills the active one; return whether the
        gather is full.
        """
        self.append(tlb, words)
        return self.batch_is_full(tlb) and not self.tlb_next_batch(tlb)

    def encode(self, page: int, nr: int, delay_rmap: bool) -> list[int]:
        """Return the words that stand for ``nr`` pages from ``page`` on."""
        flags = ENCODED_PAGE_BIT_DELAY_RMAP if delay_rmap else 0
        if nr == 1:
            return [encode_page(page, flags)]
        return [encode_page(page, self.flags_with_count(flags)), encode_nr_pages(nr)]

    def flags_with_count(self, flags: int) -> int:
        """Return the flag bits of a page word that a count follows."""
        return flags | ENCODED_PAGE_BIT_NR_PAGES_NEXT

    def batch_max(self, batch: int) -> int:
        """Return the slots of a batch."""
        return self.g.gather_batch if batch else self.g.gather_bundle

    def free_slots(self, tlb: int) -> int:
        """Return how many slots of the active batch are free."""
        batch = self.gather_active[tlb]
        return self.batch_max(batch) - self.gather_nr[tlb * self.batches + batch]

    def append(self, tlb: int, words: list[int]) -> None:
        """Append words to the active batch, which has room for a pair."""
        batch = self.gather_active[tlb]
        nr = self.gather_nr[tlb * self.batches + batch]
        self.k.checks.appending(tlb, batch, nr, len(words))
        for k, word in enumerate(words):
            self.gather_words[(tlb * self.batches + batch) * self.stride + nr + k] = word
        self.gather_nr[tlb * self.batches + batch] = nr + len(words)

    def batch_is_full(self, tlb: int) -> bool:
        """Return whether the active batch has no room for another pair."""
        return self.free_slots(tlb) < 2

    def tlb_next_batch(self, tlb: int) -> bool:
        """Open the next batch; False if delayed removals forbid it, the count is reached, or memory
        is short.
        """
        if self.must_not_open_batch(tlb):
            return False
        active = self.gather_active[tlb]
        if active == self.gather_batch_count[tlb]:
            if active == self.g.gather_batch_count:
                return False
            if self.m.draw("GFP_NOWAIT batch fails", 2):
                return False
            self.gather_batch_count[tlb] += 1
        self.gather_active[tlb] = active + 1
        return True

    def must_not_open_batch(self, tlb: int) -> bool:
        """Return whether delayed removals are pending and two batches may hold them already."""
        return bool(self.gather_delayed_rmap[tlb] and self.gather_active[tlb])

    async def tlb_remove_page(self, tlb: int, page: int) -> None:
        """Queue one page that no rmap knows (a page table); flush if that fills the gather."""
        if await self.tlb_remove_folio_pages(tlb, page, 1, False):
            await self.tlb_flush_mmu(tlb)

    async def free_at_once(self, tlb: int, page: int, nr: int, delay_rmap: bool) -> None:
        """MMU_GATHER_NO_GATHER: put the references now, as a pair whatever ``nr`` is."""
        words = [encode_page(page, ENCODED_PAGE_BIT_NR_PAGES_NEXT), encode_nr_pages(nr)]
        await self.k.swap.free_pages_and_swap_cache(tlb, words)

    # -- delayed rmap ----------------------------------------------------------------------------------------------

    async def tlb_flush_rmaps(self, tlb: int, vma: int) -> None:
        """Remove the rmaps that waited for the flush. Under the PTL, right after it."""
        if not self.gather_delayed_rmap[tlb]:
            return
        for batch in self.batches_with_delayed_rmap(tlb):
            await self.tlb_flush_rmap_batch(tlb, batch, vma)
        self.gather_delayed_rmap[tlb] = 0

    def batches_with_delayed_rmap(self, tlb: int) -> list[int]:
        """Return the batches that may hold delayed removals: the on-stack one, and the active one
        if that is another (tlb->active != &tlb->local).
        """
        active = self.gather_active[tlb]
        return [0, active] if active else [0]

    async def tlb_flush_rmap_batch(self, tlb: int, batch: int, vma: int) -> None:
        """Remove the delayed rmaps of one batch."""
        words = self.batch_words(tlb, batch)
        for i in self.delayed_entries(words):
            page = words[i] >> ENCODED_SHIFT
            await self.k.rmap.folio_remove_rmap_ptes(
                self.k.page_head(page), page, self.delayed_nr(words, i), vma, DELAYED_DEC
            )

    def delayed_entries(self, words: list[int]) -> list[int]:
        """Return where in ``words`` the pages are whose removal was delayed: the walk of
        tlb_flush_rmap_batch.
        """
        return [i for i, word in enumerate(words) if self.is_delayed(word)]

    def is_delayed(self, word: int) -> bool:
        """Return whether ``word`` is a page whose removal was delayed (encoded_page_flags(enc) &
        ENCODED_PAGE_BIT_DELAY_RMAP).
        """
        return bool(word & ENCODED_PAGE_BIT_DELAY_RMAP)

    def delayed_nr(self, words: list[int], i: int) -> int:
        """Return the number of pages that the page word ``words[i]`` stands for."""
        return words[i + 1] >> ENCODED_SHIFT if words[i] & ENCODED_PAGE_BIT_NR_PAGES_NEXT else 1

    def batch_words(self, tlb: int, batch: int) -> list[int]:
        """Return the words of a batch."""
        at = tlb * self.batches + batch
        words = self.gather_words[at * self.stride : at * self.stride + self.gather_nr[at]].tolist()
        self.k.checks.batch_read(tlb, batch, words)
        return words

    # -- flushing --------------------------------------------------------------------------------------------------

    async def tlb_flush_mmu_tlbonly(self, tlb: int) -> None:
        """Invalidate the range, if anything was recorded, and forget it."""
        if not (self.gather_freed_tables[tlb] or self.gather_cleared_ptes[tlb] or self.gather_cleared_pmds[tlb]):
            return
        await self.k.tlbflush.tlb_flush(tlb)
        self.k.checks.range_flushed(tlb)
        self.tlb_reset_range(tlb)

    async def tlb_flush_mmu(self, tlb: int) -> None:
        """Flush the TLB, then free tables, then pages. Not under a PTL."""
        await self.tlb_flush_mmu_tlbonly(tlb)
        await self.tlb_flush_mmu_free(tlb)

    async def tlb_flush_mmu_free(self, tlb: int) -> None:
        """Free what is queued: tables first."""
        if self.profile.table_free:
            await self.tlb_table_flush(tlb)
        if self.profile.gathers:
            await self.tlb_batch_pages_flush(tlb)

    async def tlb_batch_pages_flush(self, tlb: int) -> None:
        """Put the references of every queued page, batch by batch, and begin again with the
        on-stack batch.
        """
        for batch in range(self.batches):
            words = self.batch_words(tlb, batch)
            if not words:
                break
            await self.tlb_batch_free_encoded_pages(tlb, batch, words)
        self.gather_active[tlb] = 0

    async def tlb_batch_free_encoded_pages(self, tlb: int, batch: int, words: list[int]) -> None:
        """Free the words of a batch, chunk by chunk (__tlb_batch_free_encoded_pages)."""
        while words:
            n = self.chunk(words)
            self.k.checks.chunk(words, n)
            self.gather_nr[tlb * self.batches + batch] -= n
            await self.k.swap.free_pages_and_swap_cache(tlb, words[:n])
            words = words[n:]

    def chunk(self, words: list[int]) -> int:
        """Return how many words to free before the next resched point; a pair is not torn."""
        n = min(self.g.folios_per_free, len(words))
        if words[n - 1] & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
            n += 1
        return n

    # -- tables ----------------------------------------------------------------------------------------------------

    async def pte_free_tlb(self, tlb: int, table: int, addr: int) -> None:
        """Queue a table that has just been unhooked from the PMD of ``addr``."""
        self.tlb_adjust_range(tlb, addr, 1)
        self.gather_cleared_pmds[tlb] = self.gather_freed_tables[tlb] = 1
        if self.profile.table_free:
            await self.tlb_remove_table(tlb, table)
            return
        page = self.k.pgtable.table_page[table]
        self.k.ledger.move(TABLE, TRANSIENT, page, 1)
        await self.tlb_remove_page(tlb, page)

    async def tlb_remove_table(self, tlb: int, table: int) -> None:
        """Append to the table batch; flush it when full; free with an IPI if it cannot be
        allocated.
        """
        nr = self.gather_tables_nr[tlb]
        if not nr and self.m.draw("GFP_NOWAIT table batch fails", 2):
            await self.tlb_table_invalidate(tlb)
            await self.tlb_remove_table_one(tlb, table)
            return
        self.gather_tables[tlb * self.g.table_batch + nr] = table
        self.gather_tables_nr[tlb] = nr + 1
        if nr + 1 == self.g.table_batch:
            await self.tlb_table_flush(tlb)

    async def tlb_table_flush(self, tlb: int) -> None:
        """Hand the table batch to RCU, after an invalidation where hardware walks tables."""
        nr = self.gather_tables_nr[tlb]
        if not nr:
            return
        await self.tlb_table_invalidate(tlb)
        tables = [self.gather_tables[tlb * self.g.table_batch + k] for k in range(nr)]
        self.gather_tables_nr[tlb] = 0
        await self.k.rcu.call_rcu(tables)

    async def tlb_table_invalidate(self, tlb: int) -> None:
        """Flush before tables go, unless hardware never walks them (tlb_needs_table_invalidate)."""
        if self.profile.walks_tables:
            await self.tlb_flush_mmu_tlbonly(tlb)

    async def tlb_remove_table_one(self, tlb: int, table: int) -> None:
        """Free one table without RCU: first make sure that no CPU is inside a walk with interrupts
        off.
        """
        await self.k.tlbflush.interrupt_all(tlb)
        await self.k.pgtable.pte_free(table)

    # -- finishing -------------------------------------------------------------------------------------------------

    async def tlb_finish_mmu(self, tlb: int) -> None:
        """Flush and free what is left; everything, if another gather of the mm is open."""
        mm = self.gather_mm[tlb]
        if await self.mm_tlb_flush_nested(mm):
            self.flush_everything(tlb)
        await self.tlb_flush_mmu(tlb)
        self.k.checks.gather_finished(tlb)
        self.gather_open[tlb] = 0
        await self.dec_tlb_flush_pending(mm)

    async def dec_tlb_flush_pending(self, mm: int) -> None:
        """Count the gather of ``mm`` as closed (include/linux/mm_types.h)."""
        await self.m.add(PENDING_DEC, self.mm_tlb_flush_pending, mm, -1)

    def flush_everything(self, tlb: int) -> None:
        """Let the last flush be one of the whole mm, tables too: what tlb_finish_mmu does if
        gathers are nested.
        """
        self.gather_fullmm[tlb] = 1
        self.tlb_reset_range(tlb)
        self.gather_freed_tables[tlb] = 1

    async def mm_tlb_flush_nested(self, mm: int) -> bool:
        """Return whether another gather of ``mm`` is open."""
        return await self.m.load(PENDING_READ, self.mm_tlb_flush_pending, mm) > 1
