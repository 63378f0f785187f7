"""The quiescent invariants once more, as plain loops over the arena of a drained world.

:class:`~sim.checks.audit.Audit` judges with numpy, and says what is wrong with which object. This
finds only that something is, in the subset of Python that the native core translates
(docs/native.md): there it is compiled, and whatever it objects to is judged again by the audit.
Tests hold one against the other.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import Column
from sim.core.ledger import GATHER, LRU, MAPPING, NONE, PAGECACHE, TABLE, TRANSIENT
from sim.core.pte import DIRTY, KIND_MASK, KIND_MIGRATION, KIND_SWAP, PFN_SHIFT, PRESENT, SPECIAL, WRITE
from sim.core.slab import is_taken
from sim.mm.mm_types import (
    MAPPING_ANON,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
    ZERO_PFN,
)
from sim.mm.rmap import ANON_LINKED

DIFFERS = "differs from a recount"


class Recount(Checker):
    """Recounts what the page tables hold, and compares."""

    pte: Column
    table_mm: Column
    table_page: Column
    page_ref: Column
    page_head: Column
    page_order: Column
    page_mapping: Column
    page_index: Column
    page_mapcount: Column
    page_nr_pages_mapped: Column
    page_anon_exclusive: Column
    page_dirty: Column
    page_writeback: Column
    page_content: Column
    page_deferred: Column
    page_swapbacked: Column
    ledger: Column
    mm_rss: Column
    mm_tlb_flush_pending: Column
    gather_open: Column
    gather_mm: Column
    i_pages: Column
    disk: Column
    swap_map: Column
    split_queue_len: Column
    lru_batch: Column
    lru_nr: Column
    act_batch: Column
    act_nr: Column
    free_order: Column
    page_lru: Column
    vma_mm: Column
    vma_anon_vma: Column
    vma_linked: Column
    vma_slab: Column
    anon_vma_users: Column
    anon_vma_slab: Column
    table_slab: Column
    pmd: Column
    locks: list[Column]

    def recount(self) -> None:
        """Judge the whole arena, whose world is drained; raises a violation if there is one."""
        pages = self.w.pages
        mapped, mappings, dirty = [0] * pages, [0] * pages, [0] * pages
        rss, swaps = [0] * (self.w.mms * NR_MM_COUNTERS), [0] * self.w.swap_slots
        self.recount_entries(mapped, mappings, dirty, rss, swaps)
        self.recount_folios(mapped, mappings)
        self.recount_counters(rss, swaps)
        self.recount_contents(dirty)
        for file in range(self.w.files):
            self.k.checks.truncated(file)
        self.recount_locks()
        self.recount_references(mappings)
        self.recount_objects()

    def counter_of(self, head: int) -> int:
        """Return which RSS counter the pages of a folio are in (mm_counter)."""
        if self.page_mapping[head] & MAPPING_ANON:
            return MM_ANONPAGES
        return MM_SHMEMPAGES if self.page_swapbacked[head] else MM_FILEPAGES

    def recount_entries(
        self, mapped: list[int], mappings: list[int], dirty: list[int], rss: list[int], swaps: list[int]
    ) -> None:
        """Count into the lists: PTEs by page and by folio, dirty ones by page, RSS, swap entries."""
        span = self.g.ptrs_per_pte
        for table in range(len(self.table_mm)):
            row = (self.table_mm[table] - 1) * NR_MM_COUNTERS
            if row < 0:
                continue
            for ptep in range(table * span, (table + 1) * span):
                entry = self.pte[ptep]
                number = entry >> PFN_SHIFT
                if entry & (PRESENT | SPECIAL) == PRESENT:
                    head = self.page_head[number]
                    mapped[number] += 1
                    mappings[head] += 1
                    rss[row + self.counter_of(head)] += 1
                    dirty[number] |= entry & DIRTY
                    if (
                        self.page_mapping[head] & MAPPING_ANON
                        and entry & WRITE
                        and not self.page_anon_exclusive[number]
                    ):
                        self.violated("I31q", DIFFERS)
                if entry & KIND_MASK == KIND_SWAP:
                    rss[row + MM_SWAPENTS] += 1
                    if self.w.swap_slots:
                        swaps[number] += 1
                elif entry & KIND_MASK == KIND_MIGRATION:
                    rss[row + self.counter_of(self.page_head[number])] += 1

    def recount_folios(self, mapped: list[int], mappings: list[int]) -> None:
        """Compare mapcounts, mapped pages of folios, exclusive pages and the deferred-split queue."""
        counts, queued = [0] * self.w.pages, 0
        for page in range(self.w.pages):
            head = self.page_head[page]
            if self.page_mapcount[page] != mapped[page]:
                self.violated("I7q", DIFFERS)
            if mapped[page] and self.page_order[head] > 0:
                counts[head] += 1
            if mapped[page] > 1 and self.page_mapping[head] & MAPPING_ANON and self.page_anon_exclusive[page]:
                self.violated("I31q", DIFFERS)
            queued += self.page_deferred[page] != 0
        for page in range(self.w.pages):
            if self.page_nr_pages_mapped[page] != counts[page]:
                self.violated("I11q", DIFFERS)
        if queued != self.split_queue_len[0]:
            self.violated("I15q", DIFFERS)

    def recount_counters(self, rss: list[int], swaps: list[int]) -> None:
        """Compare RSS, summed over CPUs, and swap counts."""
        size = self.w.mms * NR_MM_COUNTERS
        for row in range(size):
            total = 0
            for cpu in range(self.w.cpus):
                total += self.mm_rss[cpu * size + row]
            if total != rss[row]:
                self.violated("I17", DIFFERS)
        for slot in range(len(self.swap_map)):
            if self.swap_map[slot] != swaps[slot]:
                self.violated("O14q", DIFFERS)

    def recount_contents(self, dirty: list[int]) -> None:
        """Compare clean pages of the page cache with what was written out."""
        for slot in range(len(self.i_pages)):
            head = self.i_pages[slot] - 1
            if head < 0:
                continue
            page = head + slot % self.w.file_pages - self.page_index[head]
            clean = not self.page_dirty[head] and not self.page_writeback[head] and not dirty[page]
            if clean and self.page_content[page] != self.disk[slot]:
                self.violated("I28", DIFFERS)

    def recount_locks(self) -> None:
        """Nothing is locked, and open gathers are counted as pending."""
        for lock in self.locks:
            for i in range(len(lock)):
                if lock[i]:
                    self.violated("LOCK", DIFFERS)
        for mm in range(self.w.mms):
            opened = 0
            for cpu in range(self.w.cpus):
                if self.gather_mm[cpu] == mm:
                    opened += self.gather_open[cpu]
            if self.mm_tlb_flush_pending[mm] != opened:
                self.violated("I40", DIFFERS)

    def recount_references(self, mappings: list[int]) -> None:
        """Compare every holder's cells with what that holder has, and refcounts with the sum."""
        pages = self.w.pages
        cached, batched, tables, waiting = [0] * pages, [0] * pages, [0] * pages, [0] * pages
        for slot in range(len(self.i_pages)):
            if self.i_pages[slot] > 0:
                cached[self.i_pages[slot] - 1] += 1
        for cpu in range(self.w.cpus):
            for k in range(self.lru_nr[cpu]):
                batched[self.lru_batch[cpu * self.g.pagevec + k]] += 1
                waiting[self.lru_batch[cpu * self.g.pagevec + k]] += 1
            for k in range(self.act_nr[cpu]):
                batched[self.act_batch[cpu * self.g.pagevec + k]] += 1
        for table in range(len(self.table_mm)):
            if self.table_mm[table] > 0:
                tables[self.table_page[table]] += 1
        for page in range(pages):
            held = mappings[page] + cached[page] + batched[page] + tables[page] + (page == ZERO_PFN)
            if held != self.page_ref[page]:
                self.violated("I2", DIFFERS)
            if (mappings[page] or cached[page]) and not self.page_lru[page] and not waiting[page]:
                self.violated("O24", DIFFERS)
            for holder, nr in (
                (MAPPING, mappings[page]), (PAGECACHE, cached[page]), (LRU, batched[page]), (TABLE, tables[page]),
                (NONE, 0), (GATHER, 0), (TRANSIENT, 0),
            ):  # fmt: skip
                if self.ledger[holder * pages + page] != nr:
                    self.violated("I2", DIFFERS)

    def recount_objects(self) -> None:
        """Compare what is taken from the allocator and from the slabs with what is in use."""
        users, free = [0] * self.w.anon_vmas, [0] * self.w.pages
        for block in range(self.w.pages):
            if self.free_order[block]:
                for page in range(block, block + (1 << self.free_order[block] - 1)):
                    free[page] = 1
        for page in range(self.w.pages):
            if not free[page] and not self.page_ref[self.page_head[page]]:
                self.violated("O23", DIFFERS)
        for vma in range(self.w.vmas):
            if self.vma_linked[vma] & ANON_LINKED and self.vma_anon_vma[vma]:
                users[self.vma_anon_vma[vma] - 1] += 1
            if is_taken(self.vma_slab.view, vma) != (self.vma_mm[vma] != 0):
                self.violated("O23", DIFFERS)
        for anon_vma in range(self.w.anon_vmas):
            taken = is_taken(self.anon_vma_slab.view, anon_vma)
            if self.anon_vma_users[anon_vma] != users[anon_vma] or taken != (users[anon_vma] != 0):
                self.violated("O23", DIFFERS)
        hooked = [0] * len(self.table_mm)
        for slot in range(len(self.pmd)):
            if self.pmd[slot]:
                hooked[self.pmd[slot] - 1] += 1
        for table in range(len(self.table_mm)):
            if is_taken(self.table_slab.view, table) != (self.table_mm[table] != 0 and hooked[table] == 1):
                self.violated("O23", DIFFERS)
