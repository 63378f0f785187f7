"""The audit: invariants of the whole arena (docs/invariants.md), by recounts with numpy.

It runs when the world is *quiet*: no actor is inside an operation. *Drained* is quiet with nothing
left for RCU or a deferred flush to do; only then are leaks judged. LRU batches count as holders of
references in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.checks.recount import Recount
from sim.core.arena import Column
from sim.core.ledger import HOLDERS, LRU, MAPPING, NONE, PAGECACHE, TABLE
from sim.core.machine import site
from sim.core.pte import DIRTY, KIND_MASK, KIND_MIGRATION, KIND_SWAP, PFN_SHIFT, PRESENT, SPECIAL, WRITE
from sim.core.slab import SLOTS_PER_WORD, is_taken
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

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.int64]]


AT_REST = site("audit", "recount at rest", step=False)


class Audit(Recount):
    """The quiescent invariants, each from a recount of what the page tables hold."""

    name = "audits"
    invariants: tuple[tuple[str, str, str], ...] = (
        (
            "I2",
            "reference-leaked",
            "at quiescence a refcount is the sum of mappings, cache, batches and pins "
            "(_refcount in include/linux/mm_types.h)",
        ),
        ("I7q", "mapcount-differs", "at quiescence a page's mapcount is the number of PTEs that map it (mm/rmap.c)"),
        (
            "I11q",
            "nr-pages-mapped-differs",
            "at quiescence _nr_pages_mapped counts the pages with a mapping (_nr_pages_mapped in mm/rmap.c)",
        ),
        ("I17", "rss-differs", "at quiescence RSS equals a recount of the page tables (add_mm_rss_vec)"),
        ("I28", "clean-page-differs", "a clean page-cache page equals what was written out (mm/page-writeback.c)"),
        (
            "I31q",
            "exclusive-page-shared",
            "an exclusive page has one mapping, and a writable anonymous PTE an exclusive page (PG_anon_exclusive)",
        ),
        (
            "I40",
            "flush-pending-differs",
            "the pending counter equals the number of open gathers (inc_tlb_flush_pending)",
        ),
        (
            "I15q",
            "deferred-queue-differs",
            "the deferred-split queue's length counts the folios on it (deferred_split_folio)",
        ),
        ("O14q", "swap-count-differs", "a swap slot's count equals the entries that name it (free_swap_and_cache)"),
        ("LOCK", "lock-left-held", "no lock is held when nobody is inside an operation"),
        (
            "O23",
            "object-lost",
            "at quiescence every page, VMA, anon_vma and page table that is taken is in use (free_unref_folios, "
            "vm_area_free, anon_vma_free, pte_free)",
        ),
        (
            "O24",
            "folio-off-the-lru",
            "at quiescence a mapped or cached folio is on the LRU, or in a batch on its way there (folio_add_lru)",
        ),
    )

    ledger_site: Column
    ledger_since: Column
    rss_due: Column
    folded_at: Column

    def bind(self) -> None:
        """Take every column as such: an audit reads arrays."""
        super().bind()
        for name, column in self.k.arena.columns.items():
            setattr(self, name, column)
        self.locks = [column for column in self.k.arena.columns.values() if column.field.lock]

    def violated(
        self,
        checker: str,
        message: str,
        victim: int = 0,
        locations: list[tuple[str, int, int]] | None = None,
        accused: int = 0,
    ) -> None:
        """Fail as every checker does; the accused is the step that last changed one of
        ``locations``, unless it is named. If there was none, no step is to blame: whatever came
        last in the execution has nothing to do with it.
        """
        super().violated(
            checker, message, victim, locations, accused or self.last_write(*(locations or []), newest=True) or AT_REST
        )

    def run(self, drained: bool) -> None:
        """Judge the whole arena; raises the first violation found.

        ``drained``: leaks are judged too.
        """
        import numpy as np

        tables = self.table_mm.array
        live = tables.nonzero()[0]
        self.entries = self.pte.array.reshape(-1, self.g.ptrs_per_pte)[live].ravel()
        self.mms = (tables[live] - 1).repeat(self.g.ptrs_per_pte)
        places = ((self.entries & (PRESENT | SPECIAL)) == PRESENT).nonzero()[0]
        self.present, self.owners = self.entries[places], self.mms[places]
        self.pfns = self.present >> PFN_SHIFT
        self.heads = self.page_head.array[self.pfns]
        self.anon = self.page_mapping.array[self.heads] & MAPPING_ANON
        self.mapped = np.bincount(self.pfns, minlength=self.w.pages)
        self._mapcounts(np)
        self._rss(np)
        self._exclusivity(np)
        self._contents(np)
        for file in range(self.w.files):
            self.k.checks.truncated(file)
        self._locks(np)
        if drained:
            self._references(np)
            self._lost(np)

    def _mapcounts(self, np: Any) -> None:
        if self.page_mapcount.array.tobytes() != self.mapped.tobytes():
            p = int((self.page_mapcount.array != self.mapped).nonzero()[0][0])
            self.violated(
                "I7q",
                f"page {p}: mapcount {self.page_mapcount[p]}, mapped by {int(self.mapped[p])} PTEs",
                0,
                [("page_mapcount", p, 0)],
            )
        heads = self.page_head.array[self.mapped.nonzero()[0]]
        count = np.bincount(heads[self.page_order.array[heads] > 0], minlength=self.w.pages)
        if self.page_nr_pages_mapped.array.tobytes() != count.tobytes():
            p = int((self.page_nr_pages_mapped.array != count).nonzero()[0][0])
            what = f"folio {p}: _nr_pages_mapped {self.page_nr_pages_mapped[p]}, pages mapped {int(count[p])}"
            self.violated("I11q", what, 0, [("page_nr_pages_mapped", p, 0)])
        queued = int(np.count_nonzero(self.page_deferred.array))
        if queued != self.split_queue_len[0]:
            self.violated(
                "I15q",
                f"the queue's length is {self.split_queue_len[0]} and {queued} folios are on it",
                0,
                [("split_queue_lock", 0, 0)],
            )

    def _rss(self, np: Any) -> None:
        size = self.w.mms * NR_MM_COUNTERS
        expected = np.bincount(self.owners * NR_MM_COUNTERS + self._counters(np, self.heads), minlength=size)
        others = (self.entries & KIND_MASK).nonzero()[0]
        if len(others):
            expected = expected + self._absent_rss(np, others, size)
        actual = self.mm_rss.array.reshape(self.w.cpus, size).sum(axis=0)
        if actual.tobytes() != expected.tobytes():
            row = int((actual != expected).nonzero()[0][0])
            mm, member = divmod(row, NR_MM_COUNTERS)
            name = ("file", "anon", "swap", "shmem")[member]
            counters = [("mm_rss", cpu * size + row, 0) for cpu in range(self.w.cpus)]
            self.violated(
                "I17",
                f"mm {mm}: {name} rss {int(actual[row])}, and {int(expected[row])} in its page tables",
                0,
                counters,
                self._folder(size, row),
            )
        if self.swap_map.count:
            swaps = self.entries[others]
            named = np.bincount(swaps[swaps & KIND_MASK == KIND_SWAP] >> PFN_SHIFT, minlength=self.w.swap_slots)
            if (named != self.swap_map.array).any():
                slot = int((named != self.swap_map.array).nonzero()[0][0])
                self.violated(
                    "O14q",
                    f"swap slot {slot} has count {self.swap_map[slot]} and {int(named[slot])} entries name it",
                    0,
                    [("swap_map", slot, 0)],
                )

    def _folder(self, size: int, row: int) -> int:
        """Return the last fold of an actor that has folded into a counter what it changed no entry
        for, as a site code, or 0.
        """
        due = self.rss_due.array.reshape(-1, size)[:, row]
        return next((self.m.code_at(self.folded_at[who]) for who in due.nonzero()[0].tolist()), 0)

    def _absent_rss(self, np: Any, others: Array, size: int) -> Array:
        """Return what entries that are not present add to RSS: swap entries, and pages under
        migration.
        """
        entries, rows = self.entries[others], self.mms[others] * NR_MM_COUNTERS
        kinds = entries & KIND_MASK
        swap = kinds == KIND_SWAP
        moving = kinds == KIND_MIGRATION
        of_moving = self._counters(np, self.page_head.array[entries[moving] >> PFN_SHIFT])
        counted: Array = np.bincount(
            np.concatenate((rows[swap] + MM_SWAPENTS, rows[moving] + of_moving)), minlength=size
        )
        return counted

    def _counters(self, np: Any, heads: Array) -> Array:
        """Return which RSS counter the pages of each folio are in (mm_counter)."""
        of_file = np.where(self.page_swapbacked.array[heads], MM_SHMEMPAGES, MM_FILEPAGES)
        counters: Array = np.where(self.page_mapping.array[heads] & MAPPING_ANON, MM_ANONPAGES, of_file)
        return counters

    def _exclusivity(self, np: Any) -> None:
        places = self.anon.nonzero()[0]
        pfns = self.pfns[places]
        exclusive = self.page_anon_exclusive.array[pfns]
        shared = ((self.mapped[pfns] > 1) & (exclusive != 0)).nonzero()[0]
        if len(shared):
            p = int(pfns[shared[0]])
            self.violated(
                "I31q",
                f"page {p} is exclusive and mapped by {int(self.mapped[p])} PTEs",
                0,
                [("page_anon_exclusive", p, 0)],
            )
        wrong = places[(self.present[places] & WRITE != 0) & (exclusive == 0)]
        if len(wrong):
            p = int(self.pfns[wrong[0]])
            self.violated("I31q", f"page {p} is mapped writable and not exclusive", 0, [("page_anon_exclusive", p, 0)])

    def _contents(self, np: Any) -> None:
        if not self.i_pages.count:
            return
        slots = self.i_pages.array.nonzero()[0]
        head = self.i_pages.array[slots] - 1
        pages = head + slots % self.w.file_pages - self.page_index.array[head]
        dirty = np.bincount(self.pfns[self.present & DIRTY != 0], minlength=self.w.pages)[pages] > 0
        clean = (self.page_dirty.array[head] == 0) & (self.page_writeback.array[head] == 0) & ~dirty
        wrong = (clean & (self.page_content.array[pages] != self.disk.array[slots])).nonzero()[0]
        if len(wrong):
            p, slot = int(pages[wrong[0]]), int(slots[wrong[0]])
            message = f"page {p} is clean, holds version {self.page_content[p]}, and the disk {self.disk[slot]}"
            cleaned, stored = (
                self.last_write(("page_dirty", self.page_head[p], 0), newest=True),
                self.last_write(("page_content", p, 0), newest=True),
            )
            self.violated("I28", message, stored, [("page_content", p, 0)], accused=cleaned)

    def _locks(self, np: Any) -> None:
        for lock in self.locks:
            if any(lock.view.tolist()):
                held = int(lock.array.nonzero()[0][0])
                self.violated("LOCK", f"{lock.name}[{held}] is held", 0, [(lock.name, held, 0)])
        open_gathers = [0] * self.w.mms
        for cpu in range(self.w.cpus):
            open_gathers[self.gather_mm[cpu]] += self.gather_open[cpu]
        pending = self.mm_tlb_flush_pending.view.tolist()
        if pending != open_gathers:
            mm = next(i for i in range(self.w.mms) if pending[i] != open_gathers[i])
            self.violated(
                "I40",
                f"mm {mm}: pending {pending[mm]}, open gathers {open_gathers[mm]}",
                0,
                [("mm_tlb_flush_pending", mm, 0)],
            )

    def _references(self, np: Any) -> None:
        """Compare every holder's cells with what that holder has. No actor is inside an operation,
        so no reference is transient.
        """
        pages = self.w.pages
        cells, expected = self.ledger.array.reshape(len(HOLDERS), pages), self.held(np)
        if cells.tobytes() != expected.tobytes():
            holder, folio = (int(x) for x in np.argwhere(cells != expected)[0])
            held_by = f"{int(cells[holder, folio])} references held by the {HOLDERS[holder]}"
            message = f"folio {folio}: {held_by}, which accounts for {int(expected[holder, folio])}"
            i = holder * pages + folio
            parted = self.ledger_since[i] if cells[holder, folio] > expected[holder, folio] == 0 else 0
            self.violated("I2", message, 0, [("page_ref", folio, 0)], accused=parted or self.ledger_site[i])
        self._on_lru(np, expected)
        expected[NONE, ZERO_PFN] = 1
        held = expected.sum(axis=0)
        if held.tobytes() != self.page_ref.array.tobytes():
            p = int((held != self.page_ref.array).nonzero()[0][0])
            self.violated(
                "I2", f"folio {p}: refcount {self.page_ref[p]}, holders {int(held[p])}", 0, [("page_ref", p, 0)]
            )

    def held(self, np: Any) -> Array:
        """Return how many references each holder has of each folio, recounted."""
        pages = self.w.pages
        expected: Array = np.zeros((len(HOLDERS), pages), dtype=np.int64)
        expected[MAPPING] = np.bincount(self.heads, minlength=pages)
        if self.i_pages.count:
            expected[PAGECACHE] = np.bincount(self.i_pages.array[self.i_pages.array > 0] - 1, minlength=pages)
        for batch, nr in ((self.lru_batch, self.lru_nr), (self.act_batch, self.act_nr)):
            for cpu in range(self.w.cpus):
                for folio in batch.view[cpu * self.g.pagevec : cpu * self.g.pagevec + nr[cpu]].tolist():
                    expected[LRU, folio] += 1
        expected[TABLE] = np.bincount(self.table_page.array[self.table_mm.array > 0], minlength=pages)
        return expected

    def _on_lru(self, np: Any, held: Array) -> None:
        """Judge the folios that ``held`` says are mapped or cached."""
        wanted = (held[MAPPING] > 0) | (held[PAGECACHE] > 0)
        missing = wanted & (self.page_lru.array == 0)
        if not missing.any():
            return
        for cpu in range(self.w.cpus):
            first = cpu * self.g.pagevec
            missing[self.lru_batch.array[first : first + self.lru_nr[cpu]]] = False
        if missing.any():
            folio = int(missing.nonzero()[0][0])
            what = f"folio {folio} is mapped or cached, and neither on the LRU nor in a batch"
            first = max(self.ledger_since[holder * self.w.pages + folio] for holder in (MAPPING, PAGECACHE))
            self.violated("O24", what, 0, [("page_lru", folio, 0)], accused=first)

    def _lost(self, np: Any) -> None:
        """Judge what is taken from the allocator and from the slabs: somebody must have it."""
        lost = self.page_ref.array[self.page_head.array] == 0
        for page in self.free_order.array.nonzero()[0].tolist():
            lost[page : page + (1 << self.free_order[page] - 1)] = False
        if lost.any():
            page = int(lost.nonzero()[0][0])
            where = [("page_ref", self.page_head[page], 0)]
            self.violated("O23", f"page {page} is on no free list, and nobody has a reference to it", 0, where)
        named = np.bincount(
            self.vma_anon_vma.array[(self.vma_linked.array & ANON_LINKED) != 0], minlength=self.w.anon_vmas + 1
        )[1:]
        users = self.anon_vma_users.array
        if users.tobytes() != named.tobytes():
            at = int((users != named).nonzero()[0][0])
            what = f"anon_vma {at} counts {int(users[at])} VMAs, and {int(named[at])} are linked to it"
            self.violated("O23", what, 0, [("anon_vma_slab", 0, 0), ("anon_vma_lock", at, 0)])
        self._slab("VMA", self.vma_slab, self.vma_mm.array != 0)
        self._slab("anon_vma", self.anon_vma_slab, users != 0)
        hooked = np.bincount(self.pmd.array, minlength=len(self.table_mm) + 1)[1:]
        self._slab("page table", self.table_slab, (self.table_mm.array != 0) & (hooked == 1))

    def _slab(self, what: str, taken: Column, used: Array) -> None:
        """Judge a pool of objects: those that are taken are those in use."""
        for slot in range(len(used)):
            if is_taken(taken.view, slot) != bool(used[slot]):
                state = "taken, and nothing uses it" if is_taken(taken.view, slot) else "in use, and not taken"
                self.violated("O23", f"{what} {slot} is {state}", 0, [(taken.name, slot // SLOTS_PER_WORD, 0)])
