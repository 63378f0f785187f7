"""Whole-arena invariants (KERNEL.md section 8), with numpy, for when the world is quiet: no actor is inside an operation.

*Drained* is quiet with nothing left in RCU or in a deferred flush; leaks are judged then. LRU batches count as
holders in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.arena import Column
from sim.checks.base import Checker
from sim.ledger import GATHER, HOLDERS, LRU, MAPPING, PAGECACHE, TABLE, TRANSIENT
from sim.mm_types import MAPPING_ANON, MM_ANONPAGES, MM_FILEPAGES, MM_SWAPENTS, NR_MM_COUNTERS
from sim.pte import DIRTY, KIND_MARKER, KIND_MASK, KIND_MIGRATION, KIND_SHIFT, KIND_SWAP, PFN_SHIFT, PRESENT, SPECIAL, UFFD_WP, WRITE

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.int64]]


class Audit(Checker):
    """The quiescent invariants, each from a recount of what the page tables hold."""

    name = "audits"
    invariants = (
        ("I2", "reference-leaked", "at quiescence a refcount is the sum of mappings, cache, batches and pins (KERNEL.md I2)"),
        ("I7q", "mapcount-differs", "at quiescence a page's mapcount is the number of PTEs that map it (KERNEL.md I7)"),
        ("I11q", "nr-pages-mapped-differs", "at quiescence _nr_pages_mapped counts the pages with a mapping (KERNEL.md I11)"),
        ("I17", "rss-differs", "at quiescence RSS equals a recount of the page tables (KERNEL.md I17)"),
        ("I28", "clean-page-differs", "a clean page-cache page equals what was written out (KERNEL.md I28)"),
        ("I31q", "exclusive-page-shared", "an exclusive page has one mapping, and a writable anonymous PTE an exclusive page (KERNEL.md I31)"),
        ("I40", "flush-pending-differs", "the pending counter equals the number of open gathers (KERNEL.md I40)"),
        ("I15q", "deferred-queue-differs", "the deferred-split queue's length counts the folios on it (KERNEL.md I15)"),
        ("O14q", "swap-count-differs", "a swap slot's count equals the entries that name it (KERNEL.md I17)"),
        ("LOCK", "lock-left-held", "no lock is held when nobody is inside an operation"),
    )

    pte: Column
    table_mm: Column
    page_ref: Column
    page_head: Column
    page_order: Column
    page_mapping: Column
    page_mapcount: Column
    page_entire_mapcount: Column
    page_nr_pages_mapped: Column
    page_anon_exclusive: Column
    page_dirty: Column
    page_writeback: Column
    page_content: Column
    page_deferred: Column
    ledger: Column
    ledger_site: Column
    mm_rss: Column
    mm_tlb_flush_pending: Column
    gather_open: Column
    gather_mm: Column
    i_pages: Column
    disk: Column
    swap_map: Column
    split_queue_len: Column
    ptl: Column
    mmap_lock: Column
    page_locked: Column
    i_mmap_lock: Column
    anon_vma_lock: Column
    zone_lock: Column
    lruvec_lock: Column
    split_queue_lock: Column
    rcu_pending: Column
    lru_batch: Column
    lru_nr: Column
    act_batch: Column
    act_nr: Column
    table_page: Column

    def run(self, drained: bool) -> None:
        """Judge the whole arena; raises the first violation found. ``drained``: leaks are judged too."""
        import numpy as np

        ptes = self.pte.array.reshape(-1, self.g.ptrs_per_pte)
        live = np.flatnonzero(self.table_mm.array)
        self.mms = np.repeat(self.table_mm.array[live] - 1, self.g.ptrs_per_pte)
        self.entries = ptes[live].ravel()
        present = (self.entries & PRESENT != 0) & (self.entries & SPECIAL == 0)
        self.present, self.owners = self.entries[present], self.mms[present]
        self.pfns = self.present >> PFN_SHIFT
        self.mapped = np.bincount(self.pfns, minlength=self.w.pages)
        self._mapcounts(np)
        self._rss(np)
        self._exclusivity(np)
        self._contents(np)
        self._locks(np)
        if drained:
            self._references(np)

    def _mapcounts(self, np: Any) -> None:
        wrong = np.flatnonzero(self.page_mapcount.array != self.mapped)
        if len(wrong):
            p = int(wrong[0])
            self.object("I7q", f"page {p}: mapcount {self.page_mapcount[p]}, mapped by {int(self.mapped[p])} PTEs", 0, [("page_mapcount", p, 0)])
        head = self.page_head.array
        large = self.page_order.array[head] > 0
        count = np.bincount(head[large & (self.mapped > 0)], minlength=self.w.pages)
        wrong = np.flatnonzero((self.page_nr_pages_mapped.array != count) & (self.page_order.array > 0))
        if len(wrong):
            p = int(wrong[0])
            self.object("I11q", f"folio {p}: _nr_pages_mapped {self.page_nr_pages_mapped[p]}, pages mapped {int(count[p])}")
        if int((self.page_deferred.array != 0).sum()) != self.split_queue_len[0]:
            self.object("I15q", f"the queue's length is {self.split_queue_len[0]} and {int((self.page_deferred.array != 0).sum())} folios are on it")

    def _rss(self, np: Any) -> None:
        expected = np.zeros((self.w.mms, NR_MM_COUNTERS), dtype=np.int64)
        anon = self.page_mapping.array[self.page_head.array[self.pfns]] & MAPPING_ANON != 0
        np.add.at(expected, (self.owners[anon], MM_ANONPAGES), 1)
        np.add.at(expected, (self.owners[~anon], MM_FILEPAGES), 1)
        kinds = np.where(self.entries & PRESENT == 0, self.entries & KIND_MASK, 0)
        np.add.at(expected, (self.mms[kinds == KIND_SWAP], MM_SWAPENTS), 1)
        moving = kinds == KIND_MIGRATION
        if moving.any():
            of_anon = self.page_mapping.array[self.page_head.array[self.entries[moving] >> PFN_SHIFT]] & MAPPING_ANON != 0
            np.add.at(expected, (self.mms[moving], np.where(of_anon, MM_ANONPAGES, MM_FILEPAGES)), 1)
        actual = self.mm_rss.array.reshape(self.w.cpus, self.w.mms, NR_MM_COUNTERS).sum(axis=0)
        wrong = np.argwhere(actual != expected)
        if len(wrong):
            mm, member = (int(x) for x in wrong[0])
            name = ("file", "anon", "swap", "shmem")[member]
            self.object("I17", f"mm {mm}: {name} rss {int(actual[mm, member])}, and {int(expected[mm, member])} in its page tables")
        if len(self.swap_map):
            named = np.bincount(self.entries[kinds == KIND_SWAP] >> PFN_SHIFT, minlength=self.w.swap_slots)
            if (named != self.swap_map.array).any():
                slot = int(np.flatnonzero(named != self.swap_map.array)[0])
                self.object("O14q", f"swap slot {slot} has count {self.swap_map[slot]} and {int(named[slot])} entries name it")

    def _exclusivity(self, np: Any) -> None:
        anon = self.page_mapping.array[self.page_head.array] & MAPPING_ANON != 0
        shared = np.flatnonzero((self.page_anon_exclusive.array != 0) & anon & (self.mapped > 1))
        if len(shared):
            p = int(shared[0])
            self.object("I31q", f"page {p} is exclusive and mapped by {int(self.mapped[p])} PTEs", 0, [("page_anon_exclusive", p, 0)])
        writable = self.pfns[self.present & WRITE != 0]
        wrong = writable[anon[writable] & (self.page_anon_exclusive.array[writable] == 0)]
        if len(wrong):
            self.object("I31q", f"page {int(wrong[0])} is mapped writable and not exclusive", 0, [("page_anon_exclusive", int(wrong[0]), 0)])

    def _contents(self, np: Any) -> None:
        if not len(self.i_pages):
            return
        slots = np.flatnonzero(self.i_pages.array)
        pages = self.i_pages.array[slots] - 1
        head = self.page_head.array[pages]
        dirty = np.bincount(self.pfns[self.present & DIRTY != 0], minlength=self.w.pages)[pages] > 0
        clean = (self.page_dirty.array[head] == 0) & (self.page_writeback.array[head] == 0) & ~dirty
        wrong = np.flatnonzero(clean & (self.page_content.array[pages] != self.disk.array[slots]))
        if len(wrong):
            p, slot = int(pages[wrong[0]]), int(slots[wrong[0]])
            self.object("I28", f"page {p} is clean, holds version {self.page_content[p]}, and the disk {self.disk[slot]}", 0, [("page_content", p, 0)])

    def _locks(self, np: Any) -> None:
        locks = (self.ptl, self.mmap_lock, self.page_locked, self.i_mmap_lock, self.anon_vma_lock, self.zone_lock, self.lruvec_lock, self.split_queue_lock)
        for lock in locks:
            held = np.flatnonzero(lock.array) if len(lock) else ()
            if len(held):
                self.object("LOCK", f"{lock.name}[{int(held[0])}] is held")
        gathers = np.bincount(self.gather_mm.array[self.gather_open.array != 0], minlength=self.w.mms)
        wrong = np.flatnonzero(self.mm_tlb_flush_pending.array != gathers)
        if len(wrong):
            mm = int(wrong[0])
            self.object("I40", f"mm {mm}: pending {self.mm_tlb_flush_pending[mm]}, open gathers {int(gathers[mm])}")

    def _references(self, np: Any) -> None:
        """Every holder's cells equal what that holder has; with nobody inside an operation, nothing is transient."""
        head, pages = self.page_head.array, self.w.pages
        cells = self.ledger.array.reshape(len(HOLDERS), pages)
        expected = np.zeros_like(cells)
        expected[MAPPING] = np.bincount(head[self.pfns], minlength=pages)
        cached = self.i_pages.array[self.i_pages.array > 0] - 1
        expected[PAGECACHE] = np.bincount(head[cached], minlength=pages)
        for batch, nr in ((self.lru_batch, self.lru_nr), (self.act_batch, self.act_nr)):
            for cpu in range(self.w.cpus):
                first = cpu * self.g.pagevec
                expected[LRU] += np.bincount(batch.array[first : first + nr[cpu]], minlength=pages)
        tables = self.table_page.array[self.table_mm.array > 0]
        expected[TABLE] = np.bincount(tables, minlength=pages)
        wrong = np.argwhere(cells != expected)
        if len(wrong):
            holder, folio = (int(x) for x in wrong[0])
            last = self.ledger_site[holder * pages + folio]
            self.object(
                "I2", f"folio {folio}: {int(cells[holder, folio])} references held by the {HOLDERS[holder]}, which accounts for {int(expected[holder, folio])}", 0,
                [("page_ref", folio, 0)], accused=last,
            )  # fmt: skip
        total = cells[MAPPING:].sum(axis=0)
        total[0] += 1
        wrong = np.flatnonzero(total != self.page_ref.array)
        if len(wrong):
            p = int(wrong[0])
            self.object("I2", f"folio {p}: refcount {self.page_ref[p]}, holders {int(total[p])}", 0, [("page_ref", p, 0)])
