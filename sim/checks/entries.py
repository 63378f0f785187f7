"""Page table entries: I7, I8, I9, I24, PTL, O7, O14, O15, O16.

Each change of an entry is judged for what it means to references, mapcounts, the range asked for,
markers, dirty bits, and the lock that it needs. Kept for each page: how many present entries map
it, and how many of them are dirty. Three counters per actor must be zero when it releases its last
page-table lock: entries removed less mapcounts lowered (I7), entries that vanished outside the
range that the actor was asked to touch (O16), protected entries that left no marker (O14).
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Column, Field, Watch, alike
from sim.core.component import index_of_ref
from sim.core.ledger import MAPPING, NONE, TRANSIENT
from sim.core.pte import (
    BUSY,
    DIRTY,
    HASHPTE,
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
)
from sim.mm.mm_types import MAPPING_ANON, VM_SHARED

SLOT_BITS = 6
"""A stamp is a step number above this many bits of the slot that made the step."""

HARDWARE_BITS = YOUNG | DIRTY | HASHPTE | BUSY


class EntryChecks(Checker):
    """Watches ``pte``, ``ptl`` and ``page_mapcount``."""

    name = "checks_entries"
    invariants = (
        ("I7", "mapcount-unbalanced", "when the PTL is free, mapcounts equal the PTEs that map each page (mm/rmap.c)"),
        ("I8", "mapcount-below-ptes", "a page's mapcount is never below the number of PTEs that map it (mm/rmap.c)"),
        ("I9", "mapcount-negative", "mapcounts are never negative (mm/rmap.c)"),
        (
            "I24",
            "entry-replaced-unflushed",
            "a PTE is cleared and flushed before its slot maps again under the same lock (wp_page_copy)",
        ),
        (
            "PTL",
            "entry-changed-without-ptl",
            "page-table entries are changed under the PTL of their table (pte_lockptr)",
        ),
        (
            "O7",
            "fork-copy-differs",
            "fork gives the child every page and every swap or migration entry of the parent (copy_page_range)",
        ),
        (
            "O14",
            "marker-lost",
            "a zap that keeps markers leaves one for each protected entry, and no others "
            "(zap_install_uffd_wp_if_needed)",
        ),
        ("O15", "copy-differs", "a private copy holds what the anonymous page that it replaces holds (wp_page_copy)"),
        ("O16", "zap-outside-range", "a zap clears entries inside its range only (folio_pte_batch)"),
    )

    pte: Column
    pmd: Column
    vma_flags: Cells
    vma_start: Cells
    vma_end: Cells
    ptl: Column
    table_mm: Cells
    table_base: Cells
    page_head: Cells
    page_mapping: Cells
    page_mapcount: Column
    pte_count: Cells
    dirty_ptes: Cells
    cleared_at: Cells
    cleared_pfn: Cells
    page_content: Column
    narrowed_at: Cells
    balance: Cells
    strays: Cells
    markers_due: Cells
    ptl_held: Cells
    ptl_taken: Cells
    op_start: Cells
    op_end: Cells
    op_keeps_markers: Cells
    gather_open: Cells

    def fields(self) -> list[Field]:
        cells, slots = self.w.mms * self.w.vpages, self.slots
        return [
            *alike(("pte_count", "dirty_ptes", "total_map"), self.w.pages, MACHINE),
            Field("cleared_at", cells, MACHINE, stamp=True),
            Field("cleared_pfn", cells, MACHINE),
            Field("narrowed_at", cells, MACHINE, stamp=True),
            *alike(("balance", "strays", "markers_due", "ptl_held"), slots, MACHINE),
            Field("ptl_taken", slots, MACHINE, stamp=True),
            *alike(("op_start", "op_end", "op_keeps_markers"), slots, MACHINE),
        ]

    def bind(self) -> None:
        super().bind()
        self.pte.watch = self._pte_watch()
        self.ptl.watch = self._ptl_changed
        self.page_mapcount.watch = self._mapcount_watch()

    # -- a PTE ------------------------------------------------------------------------------------------------------

    def _pte_watch(self) -> Watch:
        """Return the watch of ``pte``, with everything that it needs at hand: it runs in every
        fifth step.
        """
        span, vpages, m = self.g.ptrs_per_pte, self.w.vpages, self.m
        table_mm, table_base, ptl = self.table_mm, self.table_base, self.ptl.view
        bits_changed, removed, added, markers_due, keeps = (
            self._bits_changed,
            self._removed,
            self._added,
            self.markers_due,
            self.op_keeps_markers,
        )

        def changed(ptep: int, old: int, new: int, holder: int) -> None:
            table, offset = divmod(ptep, span)
            addr = table_base[table] + offset
            at = (table_mm[table] - 1) * vpages + addr
            who = m.current
            if ptl[table] != who + 1 and (old ^ new) & ~HARDWARE_BITS:
                self._unlocked(index_of_ref(table_mm[table]), addr, old, new)
            if old & new & PRESENT and old >> PFN_SHIFT == new >> PFN_SHIFT:
                if old != new:
                    bits_changed(at, old, new, who)
                return
            if old & PRESENT:
                removed(addr, at, old, who)
            if new & PRESENT:
                added(addr, at, new, who, holder)
            elif new & KIND_MASK == KIND_MARKER and keeps[who]:
                markers_due[who] -= 1

        return changed

    def _unlocked(self, mm: int, addr: int, old: int, new: int) -> None:
        """An entry was changed by an actor that does not hold the PTL of its table."""
        self.violated("PTL", f"the entry of mm {mm} page {addr} changed from {old:#x} to {new:#x}", self.m.last_site)

    def _bits_changed(self, at: int, old: int, new: int, who: int) -> None:
        if old & WRITE and not new & WRITE:
            self.narrowed_at[at] = self.m.seq << SLOT_BITS | who
        if (old ^ new) & DIRTY and not old & SPECIAL:
            pfn = old >> PFN_SHIFT
            if new & DIRTY:
                self.dirty_ptes[pfn] += 1
            else:
                self.dirty_ptes[pfn] -= 1
                self.k.checks.dirty.taken(pfn, who)

    def _removed(self, addr: int, at: int, old: int, who: int) -> None:
        self.cleared_at[at] = self.m.seq << SLOT_BITS | who
        self.cleared_pfn[at] = old >> PFN_SHIFT
        if not self.op_start[who] <= addr < self.op_end[who]:
            self.strays[who] += 1
        if who < self.w.cpus and self.gather_open[who]:
            self.k.checks.gather.cleared(who, addr)
        if self.op_keeps_markers[who] and old & UFFD_WP:
            self.markers_due[who] += 1
        if old & SPECIAL:
            return
        pfn = old >> PFN_SHIFT
        self.pte_count[pfn] -= 1
        self.balance[who] += 1
        self.k.ledger.move(MAPPING, TRANSIENT, self.page_head[pfn], 1)
        if old & DIRTY:
            self.dirty_ptes[pfn] -= 1
            self.k.checks.dirty.taken(pfn, who)

    def _added(self, addr: int, at: int, new: int, who: int, holder: int) -> None:
        cleared = self.cleared_at[at]
        if cleared & (1 << SLOT_BITS) - 1 == who and cleared >> SLOT_BITS > self.ptl_taken[who] and self.ptl_held[who]:
            self._replaced(at // self.w.vpages, addr, self.cleared_pfn[at], new)
            self.cleared_at[at] = 0
        if not self.op_start[who] <= addr < self.op_end[who]:
            self.strays[who] -= 1
        if self.op_keeps_markers[who] and new & UFFD_WP:
            self.markers_due[who] -= 1
        if new & SPECIAL:
            return
        pfn = new >> PFN_SHIFT
        count = self.pte_count[pfn] = self.pte_count[pfn] + 1
        self.balance[who] -= 1
        self.k.ledger.move(TRANSIENT if holder == NONE else holder, MAPPING, self.page_head[pfn], 1)
        if count > self.page_mapcount.view[pfn]:
            self.violated(
                "I8",
                f"page {pfn} is mapped by {count} PTEs and its mapcount is {self.page_mapcount.view[pfn]}",
                0,
                [("page_mapcount", pfn, 0)],
            )
        if new & DIRTY:
            self.dirty_ptes[pfn] += 1
            self.k.checks.dirty.given(pfn, who)

    def _replaced(self, mm: int, addr: int, old: int, new: int) -> None:
        """Judge an entry stored where the same actor has cleared one under the same hold of the
        PTL: no TLB may still have the old entry, and a copied page must equal the old one.
        """
        pfn, anon = new >> PFN_SHIFT, self.page_mapping[self.page_head[old]] & MAPPING_ANON
        if pfn != old and anon and not new & SPECIAL and self.page_content.view[pfn] != self.page_content.view[old]:
            self.violated(
                "O15",
                f"page {addr} of mm {mm} is copied from page {old} to {pfn}, which differs",
                0,
                [("page_content", pfn, 0)],
            )
        stale = self.k.checks.tlb.stale(mm, addr, addr + 1, 1 << 62, writable_only=False)
        if stale:
            cpu, where, entry = stale[0]
            self.violated("I24", f"cpu{cpu} still translates page {where} of mm {mm} to {entry >> PFN_SHIFT}", 0)

    def forked(self, vma: int, src: int, dst: int) -> None:
        """Compare the private mapping ``vma`` of mm ``src`` with its copy in ``dst``; neither mm
        can fault or zap meanwhile.
        """
        if self.vma_flags[vma] & VM_SHARED:
            return
        for addr in range(self.vma_start[vma], self.vma_end[vma]):
            parent, child = self._entry(src, addr), self._entry(dst, addr)
            wanted = parent & PRESENT or parent & KIND_MASK in (KIND_SWAP, KIND_MIGRATION)
            if wanted and (
                parent >> PFN_SHIFT != child >> PFN_SHIFT or (parent ^ child) & (PRESENT | SPECIAL | KIND_MASK)
            ):
                self.violated("O7", f"page {addr} is {parent:#x} in mm {src} and {child:#x} in its child {dst}")

    def _entry(self, mm: int, addr: int) -> int:
        table = index_of_ref(self.pmd.view[self.k.pgtable.pmd_index(mm, addr)])
        return self.pte.view[self.k.pgtable.ptep(table, addr)] if table >= 0 else 0

    # -- the PTL ----------------------------------------------------------------------------------------------------

    def _ptl_changed(self, table: int, old: int, new: int, holder: int) -> None:
        who = self.m.current
        if new:
            if not self.table_mm[table]:
                self.k.checks.tlb.violated(
                    "I22", f"the lock of table {table} is taken, which has been freed", 0, [("ptl", table, 0)]
                )
            if not self.ptl_held[who]:
                self.ptl_taken[who] = self.m.seq
            self.ptl_held[who] += 1
            return
        self.ptl_held[who] -= 1
        if not self.ptl_held[who]:
            self._released(who)

    def _released(self, who: int) -> None:
        """An actor let go of its last PTL: what it owed must be paid."""
        if self.balance[who]:
            self.violated(
                "I7",
                f"the PTL was released with {self.balance[who]} mappings removed but still counted",
                self.k.checks.gather.delay_site(who),
            )
        if self.strays[who]:
            first, last = self.op_start[who], self.op_end[who]
            self.violated("O16", f"{self.strays[who]} entries vanished outside the range {first} to {last}")
        if self.markers_due[who]:
            self.violated("O14", f"{self.markers_due[who]} protected entries were zapped without a marker")
        self.k.checks.dirty.lock_released(who)
        self.k.checks.gather.lock_released(who)

    # -- mapcounts --------------------------------------------------------------------------------------------------

    def _mapcount_watch(self) -> Watch:
        m, balance, pte_count, heads = self.m, self.balance, self.pte_count, self.page_head
        total_changed = self.k.checks.references.total_changed

        def changed(pfn: int, old: int, new: int, holder: int) -> None:
            balance[m.current] += new - old
            if new < pte_count[pfn] or new < 0:
                what = f"page {pfn} is mapped by {pte_count[pfn]} PTEs and its mapcount fell to {new}"
                self.violated("I9" if new < 0 else "I8", what, 0, [("page_mapcount", pfn, 0)])
            total_changed(heads[pfn], new - old)

        return changed
