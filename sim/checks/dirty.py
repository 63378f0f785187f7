"""Dirty data and exclusivity: I26, I27, I29, I48, and the half of I31 that a store can break.

A store is *covered* when PG_dirty is set, a PTE that maps the page is dirty, a dirty bit has been
taken out of a PTE and is still in the taker's hand, or write-out has yet to copy the page.

Of a file's page every dirty bit that is taken out of a PTE must be passed on. Of an anonymous page
only the last one, and only if the page stays mapped: with its last mapping the page goes.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.entries import SLOT_BITS, SLOT_MASK
from sim.core.arena import MACHINE, WHO, Cells, Column, Field
from sim.core.component import index_of_ref
from sim.core.pte import CONT, DIRTY, PFN_SHIFT, PRESENT, SPECIAL, WRITE
from sim.mm.mm_types import MAPPING_ANON


class DirtyChecks(Checker):
    """Watches ``page_writeback``; called when dirty bits move and when a store happens."""

    name = "checks_dirty"
    invariants = (
        (
            "I26",
            "store-not-covered",
            "a store to a file page is covered by a dirty bit until it is written (folio_mkclean, tlb_flush_rmaps)",
        ),
        (
            "I27",
            "writable-after-clean",
            "after folio_clear_dirty_for_io no TLB can write to the folio (folio_clear_dirty_for_io)",
        ),
        (
            "I29",
            "dirty-bit-lost",
            "a dirty bit is passed on: a file PTE's to PG_dirty, an anonymous one's while the page stays mapped "
            "(zap_present_folio_ptes)",
        ),
        (
            "I31",
            "store-to-shared-page",
            "an anonymous page that a process maps which can run is not written by another (PG_anon_exclusive)",
        ),
        (
            "I48",
            "writeback-overlaps",
            "a folio is written out once at a time: PG_writeback is set where it was clear, and cleared where it was "
            "set (folio_start_writeback, folio_end_writeback)",
        ),
    )

    page_head: Cells
    page_order: Cells
    page_mapping: Cells
    page_dirty: Column
    page_writeback: Column
    page_locked: Column
    page_anon_exclusive: Column
    mm_users: Column
    table_mm: Cells
    pte_count: Cells
    dirty_ptes: Cells
    tlb_writable: Cells
    dirty_hand: Cells
    hands: Cells
    copy_due: Cells
    pmd: Column
    pte: Column
    tlb: Column

    def fields(self) -> list[Field]:
        return [
            Field("dirty_hand", self.w.pages, MACHINE, decides=WHO),
            Field("hands", self.slots, MACHINE),
            Field("copy_due", self.w.pages, MACHINE),
        ]

    def bind(self) -> None:
        super().bind()
        self.page_writeback.observe(self._writeback_changed)
        self.page_dirty.observe_reads(self._dirty_looked_at)
        self.page_locked.observe(self._folio_lock_changed)

    def _writeback_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        """Judge the begin or the end of a write-out."""
        if old == new:
            what = f"PG_writeback of folio {folio} is {'set and was set' if new else 'cleared and was clear'} already"
            where = ("page_writeback", folio, 0)
            self.violated("I48", what, self.last_write(where), [where])

    # -- dirty bits on the move -------------------------------------------------------------------------------------

    def taken(self, pfn: int, who: int) -> None:
        """Note that an actor has cleared a dirty bit in a PTE: the bit is in its hand, to be passed
        on.
        """
        mapping = self.page_mapping[self.page_head[pfn]]
        if mapping & MAPPING_ANON and (self.dirty_ptes[pfn] or not self.pte_count[pfn]):
            return
        if mapping and not self.dirty_hand[pfn]:
            self.dirty_hand[pfn] = self.m.seq << SLOT_BITS | who + 1
            self.hands[who] += 1

    def given(self, pfn: int, who: int) -> None:
        """Note that a dirty PTE was stored: the bit in hand is in a PTE again."""
        if self.dirty_hand[pfn]:
            self._drop(pfn)

    def _drop(self, pfn: int) -> None:
        self.hands[(self.dirty_hand[pfn] & SLOT_MASK) - 1] -= 1
        self.dirty_hand[pfn] = 0

    def marked(self, folio: int) -> None:
        """PG_dirty was set: what was in hand for the folio is passed on."""
        for pfn in range(folio, folio + (1 << self.page_order[folio])):
            if self.dirty_hand[pfn] & SLOT_MASK == self.m.current + 1:
                self._drop(pfn)

    def _dirty_looked_at(self, folio: int) -> None:
        """PG_dirty was read: whoever finds it set has nothing left to pass on. Who clears it from
        now on copies the page after that.
        """
        if self.hands[self.m.current] and self.page_dirty.view[folio]:
            self.marked(folio)

    def lock_released(self, who: int) -> None:
        """Judge an actor that has released its last PTL: it must have passed on every dirty bit in
        its hand. Those of a file's folio that it has locked it may keep as long as the lock.
        """
        if not self.hands[who]:
            return
        for pfn, hand in enumerate(self.dirty_hand.tolist()):
            if hand & SLOT_MASK != who + 1:
                continue
            folio = self.page_head[pfn]
            if self.page_mapping[folio] & MAPPING_ANON:
                if self._still_needed(pfn, folio):
                    self._lost(pfn)
                self._drop(pfn)
            elif self.page_locked.view[folio] != who + 1:
                self._lost(pfn)
                self._drop(pfn)

    def _folio_lock_changed(self, folio: int, old: int, new: int, holder: int) -> None:
        """Judge an actor that unlocks a folio: it must have passed on the dirty bits that it has
        taken out of PTEs under that lock (folio_clear_dirty_for_io).
        """
        if new or not self.hands[self.m.current]:
            return
        for pfn in range(folio, folio + (1 << self.page_order[folio])):
            if self.dirty_hand[pfn] & SLOT_MASK == self.m.current + 1:
                self._lost(pfn)
                self._drop(pfn)

    def _lost(self, pfn: int) -> None:
        cleared = self.m.code_at(self.dirty_hand[pfn] >> SLOT_BITS)
        what = f"a dirty PTE of page {pfn} was cleared and the folio was not marked dirty"
        self.violated("I29", what, cleared, [("page_dirty", pfn, 0)])

    def _still_needed(self, pfn: int, folio: int) -> bool:
        """Return whether an anonymous page is mapped and nothing says any more that it is dirty."""
        return bool(self.pte_count[pfn]) and not self.dirty_ptes[pfn] and not self.page_dirty.view[folio]

    def cleaned(self, folio: int, dirty: bool) -> None:
        """folio_clear_dirty_for_io is done."""
        for pfn in range(folio, folio + (1 << self.page_order[folio])):
            self.copy_due[pfn] = dirty
            if self.tlb_writable[pfn]:
                self._writable_left(pfn)

    def _writable_left(self, pfn: int) -> None:
        for cpu, mm, where, entry in self.k.checks.tlb.entries():
            first, reach = entry >> PFN_SHIFT, 1 if where >= 0 else self.g.contpte
            if first <= pfn < first + reach and entry & WRITE and self.k.tlbflush.usable(cpu, mm):
                cleared = self.k.checks.tlb.cleared_since(cpu, mm, where, pfn - first)
                cell = (
                    ("tlb", self.k.tlb.cell(cpu, mm, where))
                    if where >= 0
                    else ("tlb_span", self.k.tlb.span_cell(cpu, mm, -1 - where))
                )
                self.violated(
                    "I27",
                    f"cpu{cpu} can still write to page {pfn} through mm {mm}",
                    cleared,
                    [("page_dirty", pfn, 0), (*cell, 0)],
                )

    def freed(self, folio: int, nr: int) -> None:
        """The folio is free: nothing is due for it."""
        for pfn in range(folio, folio + nr):
            self.copy_due[pfn] = 0
            if self.dirty_hand[pfn]:
                self._drop(pfn)

    def cancelled(self, folio: int) -> None:
        """The folio's data is thrown away: write-out need not copy it."""
        for pfn in range(folio, folio + (1 << self.page_order[folio])):
            self.copy_due[pfn] = 0

    def copied(self, pfn: int) -> None:
        """Write-out has copied the page."""
        self.copy_due[pfn] = 0

    # -- a store ----------------------------------------------------------------------------------------------------

    def stored(self, column: Column, cell: int, pfn: int, offset: int) -> None:
        """A store through a TLB entry is being made."""
        folio = self.page_head[pfn]
        mapping = self.page_mapping[folio]
        if mapping & MAPPING_ANON:
            if not self.page_anon_exclusive.view[pfn]:
                self._shared_store(self._row(column, cell)[0], pfn)
        elif mapping and not (
            self.page_dirty.view[folio]
            or self.dirty_ptes[pfn]
            or self.dirty_hand[pfn]
            or self.copy_due[pfn]
            or self._block_dirty(column, cell, pfn - offset)
        ):
            where = [("page_content", pfn, 0), ("page_dirty", folio, 0)]
            cleaned = self.last_write(("page_dirty", folio, 0))
            self.violated("I26", f"a store to page {pfn}, clean and not due for write-out", cleaned, where)

    def _row(self, column: Column, cell: int) -> tuple[int, int]:
        """Return (mm, first address) of a TLB cell."""
        per_row = self.w.vpages if column is self.tlb else self.w.vpages // self.g.contpte
        row, place = divmod(cell, per_row)
        return row % self.w.mms, place * (1 if column is self.tlb else self.g.contpte)

    def _shared_store(self, mm: int, pfn: int) -> None:
        """Judge a store by ``mm`` to an anonymous page that is not exclusive: nobody else may see
        it. A child that fork has not published yet sees nothing before its parent has been flushed.
        """
        for ptep, pte in enumerate(self.pte.view.tolist()):
            if pte & (PRESENT | SPECIAL) != PRESENT or pte >> PFN_SHIFT != pfn:
                continue
            other = index_of_ref(self.table_mm[ptep // self.g.ptrs_per_pte])
            if other not in (-1, mm) and self.mm_users.view[other] > 0:
                self.violated(
                    "I31",
                    f"mm {mm} stores to page {pfn}, which mm {other} maps too",
                    self.last_write(("pte", ptep, 0)),
                    [("page_content", pfn, 0)],
                )

    def _block_dirty(self, column: Column, cell: int, first: int) -> bool:
        """Return whether the TLB entry spans a contiguous block, of pages from ``first`` on, one of
        whose dirty bits is in a PTE or in an actor's hand: a block is dirty as a whole.
        """
        if column is self.tlb:
            return False
        if any(self.dirty_hand[first : first + self.g.contpte].tolist()):
            return True
        mm, addr = self._row(column, cell)
        table = index_of_ref(self.pmd.view[self.k.pgtable.pmd_index(mm, addr)])
        if table < 0:
            return False
        ptep = self.k.pgtable.ptep(table, addr)
        return any(
            pte & (PRESENT | CONT | DIRTY) == PRESENT | CONT | DIRTY
            for pte in self.pte.view[ptep : ptep + self.g.contpte].tolist()
        )
