"""Page table entries: I7, I8, I9, I24, I47, PTL, O7, O14, O15, O16, O22, O39.

Each change of an entry is judged for what it means to references, mapcounts, the range asked for,
markers, dirty bits, and the lock that it needs. Kept for each page: how many present entries map
it, and how many of them are dirty. Three counters per actor must be zero when it releases its last
page-table lock: entries removed less mapcounts lowered (I7), entries that vanished outside the
range that the actor was asked to touch (O16), protected entries that left no marker (O14). Whoever
owes something there is accused of the step that made the debt, not of letting the lock go.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.cache import TRUNCATE
from sim.core.arena import CHANGE, MACHINE, MOMENT, OWN_MOMENT, Cells, Column, Field, Watch, alike
from sim.core.component import index_of_ref
from sim.core.ledger import MAPPING, NONE, TRANSIENT
from sim.core.pte import (
    BUSY,
    CONT,
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
from sim.mm.mm_types import MAPPING_ANON, VM_SHARED, VM_UFFD_WP

SLOT_BITS = 6
"""A stamp is a step number above this many bits of the slot that made the step."""

SLOT_MASK = (1 << SLOT_BITS) - 1

HARDWARE_BITS = YOUNG | DIRTY | HASHPTE | BUSY

SIZE_BITS = CONT | SPECIAL
"""Bits of an entry that say how much it maps and what; the others are rights and notes."""


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
        (
            "O22",
            "zap-left-entry",
            "a zap that returns has cleared every entry of its range that was there when it began (zap_pte_range)",
        ),
        (
            "I47",
            "busy-entry-changed",
            "an entry that a hash fault is at work on is changed by nobody else (pte_update)",
        ),
        (
            "O39",
            "entry-garbled",
            "an entry that is neither present nor empty is a swap or migration entry, a marker or a device's "
            "(is_swap_pte, print_bad_pte)",
        ),
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
    cleared_pte: Cells
    stored_at: Cells
    counted_at: Cells
    op_began: Cells
    page_content: Column
    page_stale: Cells
    narrowed_at: Cells
    balance: Cells
    strays: Cells
    markers_due: Cells
    ptl_held: Cells
    ptl_taken: Cells
    op: Cells
    op_start: Cells
    op_end: Cells
    op_keeps_markers: Cells
    gather_open: Cells

    def fields(self) -> list[Field]:
        cells, slots = self.w.mms * self.w.vpages, self.slots
        return [
            *alike(("pte_count", "dirty_ptes", "total_map"), self.w.pages, MACHINE),
            *alike(("cleared_at", "stored_at", "narrowed_at"), cells, MACHINE, stamp=True, decides=CHANGE),
            Field("cleared_pte", cells, MACHINE),
            *alike(("balance", "strays", "markers_due", "ptl_held"), slots, MACHINE),
            Field("ptl_taken", slots, MACHINE, stamp=True, decides=OWN_MOMENT),
            Field("op_began", slots, MACHINE, stamp=True, decides=MOMENT),
            Field("counted_at", slots, MACHINE, stamp=True),
            *alike(("op_start", "op_end", "op_keeps_markers"), slots, MACHINE),
        ]

    def bind(self) -> None:
        super().bind()
        self.pte.observe(self._pte_watch())
        self.ptl.observe(self._ptl_changed)
        self.page_mapcount.observe(self._mapcount_watch())

    # -- a PTE ------------------------------------------------------------------------------------------------------

    def _pte_watch(self) -> Watch:
        """Return the watch of ``pte``, with everything that it needs at hand: it runs in every
        fifth step.
        """
        span, vpages, m = self.g.ptrs_per_pte, self.w.vpages, self.m
        table_mm, table_base, ptl = self.table_mm, self.table_base, self.ptl.view
        bits_changed, removed, added, absent_changed = self._bits_changed, self._removed, self._added, self._absent
        vanished = self._vanished

        def changed(ptep: int, old: int, new: int, holder: int) -> None:
            table, offset = divmod(ptep, span)
            addr = table_base[table] + offset
            at = (table_mm[table] - 1) * vpages + addr
            who = m.current
            if ptl[table] != who + 1 and ((old ^ new) & ~HARDWARE_BITS or old & ~new & (YOUNG | DIRTY)):
                self._unlocked(index_of_ref(table_mm[table]), addr, old, new)
            if (old | new) & (CONT | BUSY):
                self._special(ptep, old, new, who)
            if old & new & PRESENT and old >> PFN_SHIFT == new >> PFN_SHIFT:
                if old != new:
                    bits_changed(at, old, new, who)
                return
            if old & PRESENT:
                removed(addr, at, old, who)
            elif old:
                absent_changed(at, old, who, -1)
                if not new:
                    vanished(addr, who)
            if new & PRESENT:
                added(addr, at, new, who, holder)
            elif new:
                absent_changed(at, new, who, 1)

        return changed

    def _special(self, ptep: int, old: int, new: int, who: int) -> None:
        """Judge a change of an entry that belongs to a contiguous block, or that a hash fault is at
        work on: the fault's own leaves all but the busy bit as it is.
        """
        if old & BUSY and old ^ new not in (0, BUSY):
            what = f"entry {ptep} changed from {old:#x} to {new:#x} under a hash fault"
            self.violated("I47", what, 0, [("pte", ptep, 0)])
        if (old | new) & CONT and (old ^ new) & ~HARDWARE_BITS:
            self.k.checks.tlb.block_changed(ptep, who)

    def _vanished(self, addr: int, who: int) -> None:
        """An entry was cleared: inside the range that the actor was asked to touch, or astray."""
        if not self.op_start[who] <= addr < self.op_end[who]:
            self.strays[who] += 1

    def _absent(self, at: int, entry: int, who: int, delta: int) -> None:
        """An entry that is not present was stored (1) or removed (-1)."""
        if not entry & KIND_MASK:
            what = f"page {at % self.w.vpages} of mm {at // self.w.vpages} has the entry {entry:#x}, which is none"
            self.violated("O39", what, self.m.last_site)
        if delta > 0 and entry & KIND_MASK in (KIND_SWAP, KIND_MIGRATION):
            self.stored_at[at] = self.m.seq << SLOT_BITS | who
        self.k.checks.rss.absent_changed(at, entry, who, delta)
        if delta < 0 and who < self.w.cpus and self.op[who] >= TRUNCATE and self._is_private(entry):
            self.k.checks.cache.copy_taken(at, who)
        if delta > 0 and entry & KIND_MASK == KIND_MARKER and self.op_keeps_markers[who]:
            self.markers_due[who] -= 1

    def _is_private(self, entry: int) -> bool:
        """Return whether an entry that is not present stands for an anonymous page: in swap, or on
        its way to another place.
        """
        if entry & KIND_MASK != KIND_MIGRATION:
            return entry & KIND_MASK == KIND_SWAP
        return bool(self.page_mapping[self.page_head[entry >> PFN_SHIFT]] & MAPPING_ANON)

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
        self.cleared_pte[at] = old
        self._vanished(addr, who)
        if who < self.w.cpus and self.gather_open[who]:
            self.k.checks.gather.cleared(who, addr)
        if self.op_keeps_markers[who] and old & UFFD_WP:
            self.markers_due[who] += 1
        if old & SPECIAL:
            return
        pfn = old >> PFN_SHIFT
        folio = self.page_head[pfn]
        if who < self.w.cpus and self.op[who] >= TRUNCATE and self.page_mapping[folio] & MAPPING_ANON:
            self.k.checks.cache.copy_taken(at, who)
        self.k.checks.rmap.mapped(addr, at, folio, pfn)
        self.k.checks.rss.mapped(at, folio, who, -1)
        self.pte_count[pfn] -= 1
        self.balance[who] += 1
        self.k.ledger.move(MAPPING, TRANSIENT, folio, 1)
        if old & DIRTY:
            self.dirty_ptes[pfn] -= 1
            self.k.checks.dirty.taken(pfn, who)

    def _added(self, addr: int, at: int, new: int, who: int, holder: int) -> None:
        old = self._stored(addr, at, new, who)
        if not self.op_start[who] <= addr < self.op_end[who]:
            self.strays[who] -= 1
        if self.op_keeps_markers[who] and new & UFFD_WP:
            self.markers_due[who] -= 1
        if new & SPECIAL:
            return
        pfn = new >> PFN_SHIFT
        folio = self.page_head[pfn]
        if self.page_stale[pfn]:
            self.k.checks.freed.mapped(pfn)
        self.k.checks.rmap.mapped(addr, at, folio, pfn)
        self.k.checks.rss.mapped(at, folio, who, 1)
        count = self.pte_count[pfn] = self.pte_count[pfn] + 1
        self.balance[who] -= 1
        self.k.ledger.move(TRANSIENT if holder == NONE else holder, MAPPING, folio, 1)
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
        elif old & DIRTY and old >> PFN_SHIFT == pfn:
            self.k.checks.dirty.taken(pfn, who)

    def _stored(self, addr: int, at: int, new: int, who: int) -> int:
        """Stamp a cell where an entry is stored; return the entry that the actor has cleared there
        under the same hold of the PTL, or 0.
        """
        cleared, old = self.cleared_at[at], 0
        if cleared & SLOT_MASK == who and cleared >> SLOT_BITS > self.ptl_taken[who] and self.ptl_held[who]:
            old = self.cleared_pte[at]
            self._replaced(at, addr, old, new)
            self.cleared_at[at] = 0
        if not old or old >> PFN_SHIFT != new >> PFN_SHIFT:
            self.stored_at[at] = self.m.seq << SLOT_BITS | who
        return old

    def _replaced(self, at: int, addr: int, old: int, new: int) -> None:
        """Judge an entry stored where the same actor has cleared one under the same hold of the
        PTL: no TLB may still have the old entry, unless the new one differs from it in rights
        alone; and a copied page must equal the old one.
        """
        mm, pfn, was = at // self.w.vpages, new >> PFN_SHIFT, old >> PFN_SHIFT
        if pfn == was and not (old ^ new) & SIZE_BITS:
            if old & WRITE and not new & WRITE:
                self.narrowed_at[at] = self.m.seq << SLOT_BITS | self.m.current
            return
        anon = self.page_mapping[self.page_head[was]] & MAPPING_ANON
        if pfn != was and anon and not new & SPECIAL and self.page_content.view[pfn] != self.page_content.view[was]:
            self.violated(
                "O15",
                f"page {addr} of mm {mm} is copied from page {was} to {pfn}, which differs",
                0,
                [("page_content", pfn, 0)],
            )
        stale = self.k.checks.tlb.stale(mm, addr, addr + 1, 1 << 62, writable_only=False)
        if stale:
            cpu, where, entry = stale[0]
            what = f"cpu{cpu} still translates page {where} of mm {mm} to {entry >> PFN_SHIFT}"
            self.violated("I24", what, self.m.code_at(self.cleared_at[at] >> SLOT_BITS))

    def forked(self, vma: int, src: int, dst: int) -> None:
        """Compare the mapping ``vma`` of mm ``src`` with its copy in ``dst``, of a shared one what
        userfaultfd protects, but for what others have changed since the fork began: that is newer
        than the copy.
        """
        shared = self.vma_flags[vma] & VM_SHARED
        if shared and not self.vma_flags[vma] & VM_UFFD_WP:
            return
        for addr in range(self.vma_start[vma], self.vma_end[vma]):
            parent, child = self._entry(src, addr), self._entry(dst, addr)
            wanted = parent & PRESENT or parent & KIND_MASK in (KIND_SWAP, KIND_MIGRATION)
            if not wanted or (shared and not parent & UFFD_WP) or (not child and self._refillable(parent)):
                continue
            same = parent >> PFN_SHIFT == child >> PFN_SHIFT and not (parent ^ child) & (PRESENT | SPECIAL | KIND_MASK)
            if not same and not self._changed_by_others(src, addr) and not self._changed_by_others(dst, addr):
                self.violated("O7", f"page {addr} is {parent:#x} in mm {src} and {child:#x} in its child {dst}")

    def _refillable(self, pte: int) -> bool:
        """Return whether a fault in the child would find again what the parent's present entry
        maps: the zero page, or a page of a file that userfaultfd does not protect.
        """
        if not pte & PRESENT or pte & UFFD_WP:
            return False
        return bool(pte & SPECIAL) or not self.page_mapping[self.page_head[pte >> PFN_SHIFT]] & MAPPING_ANON

    def _changed_by_others(self, mm: int, addr: int) -> bool:
        """Return whether another actor has cleared or stored the entry since the running actor's
        operation began.
        """
        me, at = self.m.current, mm * self.w.vpages + addr
        stamps = (self.cleared_at[at], self.stored_at[at])
        return any(stamp >> SLOT_BITS > self.op_began[me] and stamp & SLOT_MASK != me for stamp in stamps)

    def returned(self, mm: int, start: int, end: int, began: int) -> None:
        """Judge a zap of [start, end) that began after step ``began`` and is about to return: what
        maps a page or names a swap slot there has been stored since.
        """
        for addr in range(start, end):
            entry, stamp = self._entry(mm, addr), self.stored_at[mm * self.w.vpages + addr]
            if not entry & PRESENT and entry & KIND_MASK not in (KIND_SWAP, KIND_MIGRATION):
                continue
            if stamp >> SLOT_BITS <= began:
                what = f"page {addr} of mm {mm} still has the entry {entry:#x} that was there before the zap"
                self.violated("O22", what, self.m.code_at(stamp >> SLOT_BITS))

    def _entry(self, mm: int, addr: int) -> int:
        table = index_of_ref(self.pmd.view[self.k.pgtable.pmd_index(mm, addr)])
        return self.pte.view[self.k.pgtable.ptep(table, addr)] if table >= 0 else 0

    # -- the PTL ----------------------------------------------------------------------------------------------------

    def _ptl_changed(self, table: int, old: int, new: int, holder: int) -> None:
        who = self.m.current
        if new:
            if not self.table_mm[table]:
                what, given = f"the lock of table {table} is taken, which has been freed", self.k.checks.tlb.table_given
                self.k.checks.tlb.violated("I22", what, given(table), [("ptl", table, 0)])
            if not self.ptl_held[who]:
                self.ptl_taken[who] = self.m.seq
            self.ptl_held[who] += 1
            return
        self.ptl_held[who] -= 1
        if not self.ptl_held[who]:
            self._released(who, index_of_ref(self.table_mm[table]))

    def _released(self, who: int, mm: int) -> None:
        """An actor let go of its last PTL, of a table of ``mm``: what it owed must be paid."""
        if self.balance[who]:
            counted = self.counted_at[who]
            self.violated(
                "I7",
                f"the PTL was released with {self.balance[who]} mappings removed but still counted",
                self.k.checks.gather.delay_site(who),
                accused=self.m.code_at(counted) if counted > self.ptl_taken[who] else self.last_change(who, mm),
            )
        if self.strays[who]:
            first, last = self.op_start[who], self.op_end[who]
            what = f"{self.strays[who]} entries vanished outside the range {first} to {last}"
            self.violated("O16", what, accused=self.last_change(who, mm, outside=True))
        if self.markers_due[who]:
            what = f"{self.markers_due[who]} protected entries were zapped without a marker"
            self.violated("O14", what, accused=self.last_change(who, mm))
        if mm >= 0:
            self.k.checks.rss.lock_released(who, mm)
        self.k.checks.dirty.lock_released(who)
        self.k.checks.gather.lock_released(who)
        self.k.checks.tlb.lock_released(who)

    def last_change(self, who: int, mm: int, outside: bool = False) -> int:
        """Return the last step by which ``who`` has cleared or stored an entry of ``mm`` since it
        took the PTL, as a site code, or 0; ``outside``: outside the range it was asked to touch.
        """
        newest, vpages = 0, self.w.vpages
        for addr in range(vpages):
            if outside and self.op_start[who] <= addr < self.op_end[who]:
                continue
            for stamp in (self.cleared_at[mm * vpages + addr], self.stored_at[mm * vpages + addr]):
                if stamp & SLOT_MASK == who and stamp >> SLOT_BITS > self.ptl_taken[who]:
                    newest = max(newest, stamp >> SLOT_BITS)
        return self.m.code_at(newest)

    # -- mapcounts --------------------------------------------------------------------------------------------------

    def _mapcount_watch(self) -> Watch:
        m, balance, pte_count, heads, counted = self.m, self.balance, self.pte_count, self.page_head, self.counted_at
        total_changed = self.k.checks.references.total_changed

        def changed(pfn: int, old: int, new: int, holder: int) -> None:
            who = m.current
            balance[who] += new - old
            counted[who] = m.seq
            if new < pte_count[pfn] or new < 0:
                what = f"page {pfn} is mapped by {pte_count[pfn]} PTEs and its mapcount fell to {new}"
                self.violated("I9" if new < 0 else "I8", what, 0, [("page_mapcount", pfn, 0)])
            total_changed(heads[pfn], new - old)

        return changed
