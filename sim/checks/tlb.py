"""TLB safety: I21, I22, I23, I45, I46.

Kept for each page: how many TLB entries reach it, and how many of them are writable. Kept for each
entry: the step that read the PTE which it was filled from, and the page's generation at the fill.

A stale entry is *usable* if user code on that CPU could hit it. It is not usable if the CPU must
first flush or compare generations. Each architecture answers in ``tlbflush.usable``.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.entries import SLOT_BITS
from sim.core import slab
from sim.core.arena import INSIDE, MACHINE, MOMENT, Cells, Column, Field, Watch, alike
from sim.core.component import ref_to
from sim.core.pte import ACCESS_BITS, CONT, PFN_SHIFT, PRESENT, SPECIAL, WRITE
from sim.mm.mm_types import MAPPING_ANON


class TlbChecks(Checker):
    """Watches ``tlb``, ``tlb_span``, ``mm_users`` and every access through a TLB."""

    name = "checks_tlb"
    invariants = (
        ("I21", "tlb-stale-after-free", "unhook the PTE, invalidate, only then free (include/asm-generic/tlb.h)"),
        ("I22", "walk-of-freed-table", "a page table is not freed while a walker can reach it (tlb_remove_table)"),
        (
            "I23",
            "tlb-stale-after-return",
            "when a call that takes access away returns, no CPU has the access (tlb_finish_mmu)",
        ),
        ("I22b", "table-freed-in-use", "a page table is freed empty and unhooked (free_pgd_range)"),
        (
            "I45",
            "contiguous-block-torn",
            "when the PTL is free, the entries of a contiguous block are all marked, consecutive and alike "
            "(contpte_try_unfold_partial)",
        ),
        (
            "I46",
            "child-published-unflushed",
            "when fork lets the child run, no TLB can write to an anonymous page that the child shares (dup_mmap)",
        ),
    )

    tlb: Column
    tlb_span: Column
    walk_cache: Column
    pmd: Column
    pte: Column
    ptl: Column
    table_mm: Cells
    table_base: Cells
    page_gen: Cells
    tlb_refs: Cells
    tlb_writable: Cells
    tlb_stamp: Cells
    tlb_span_stamp: Cells
    tlb_page_gen: Cells
    tlb_span_page_gen: Cells
    walk_gen: Cells
    entry_read_at: Cells
    entry_page: Cells
    entry_gen: Cells
    table_gen: Cells
    cleared_at: Cells
    narrowed_at: Cells
    rcu_nesting: Cells
    irq_off: Cells
    rcu_readers: Cells
    sections: Cells
    mm_users: Column
    page_head: Cells
    page_mapping: Cells
    page_anon_exclusive: Column
    block_first: Cells
    block_last: Cells
    block_at: Cells

    def fields(self) -> list[Field]:
        rows, tables = self.w.cpus * self.w.mms, self.k.pgtable.table_slots
        spans = rows * (self.w.vpages // self.g.contpte if self.g.contpte > 1 else 0)
        return [
            *alike(("tlb_refs", "tlb_writable"), self.w.pages, MACHINE),
            Field("tlb_stamp", rows * self.w.vpages, MACHINE, stamp=True, decides=MOMENT),
            Field("tlb_page_gen", rows * self.w.vpages, MACHINE, equality="page"),
            Field("tlb_span_stamp", spans, MACHINE, stamp=True, decides=MOMENT),
            Field("tlb_span_page_gen", spans, MACHINE, equality="page"),
            Field("entry_read_at", self.w.cpus, MACHINE, stamp=True, decides=MOMENT),
            Field("entry_page", self.w.cpus, MACHINE),
            Field("entry_gen", self.w.cpus, MACHINE, equality="page"),
            Field("walk_gen", rows * self.k.pgtable.per_mm, MACHINE, equality="table"),
            Field("table_gen", tables, MACHINE, equality="table"),
            Field("rcu_readers", tables * self.w.cpus if self.profile.table_free else 0, MACHINE, decides=INSIDE),
            *alike(("block_first", "block_last"), self.slots, MACHINE),
            Field("block_at", self.slots, MACHINE, stamp=True),
        ]

    def bind(self) -> None:
        super().bind()
        self.tlb.observe(self._entry_changed(self.tlb_stamp, self.tlb_page_gen, 1))
        self.tlb_span.observe(self._entry_changed(self.tlb_span_stamp, self.tlb_span_page_gen, self.g.contpte))
        self.walk_cache.observe(self._walk_cached)
        self.mm_users.observe(self._users_changed)

    def _entry_changed(self, stamp: Cells, generation: Cells, reach: int) -> Watch:
        refs, writable, gens, m = self.tlb_refs, self.tlb_writable, self.page_gen, self.m
        read_at, read_page, read_gen, outdated = self.entry_read_at, self.entry_page, self.entry_gen, self._outdated
        cpus, mms, per_row = self.w.cpus, self.w.mms, self.w.vpages // reach

        def count(entry: int, delta: int) -> None:
            pfn = entry >> PFN_SHIFT
            for page in range(pfn, pfn + reach):
                refs[page] += delta
                if entry & WRITE:
                    writable[page] += delta

        def changed(cell: int, old: int, new: int, holder: int) -> None:
            if old and not old & SPECIAL:
                count(old, -1)
            if new:
                cpu = m.current % cpus
                stamp[cell] = read_at[cpu]
                freed = gens[read_page[cpu]] != read_gen[cpu]
                if freed:
                    outdated(cpu, cell // per_row % mms, read_page[cpu])
                if not new & SPECIAL:
                    generation[cell] = read_gen[cpu] if freed else gens[new >> PFN_SHIFT]
                    count(new, 1)

        return changed

    def _walk_cached(self, cell: int, old: int, new: int, holder: int) -> None:
        if new:
            self.walk_gen[cell] = self.table_gen[new - 1]

    # -- use --------------------------------------------------------------------------------------------------------

    def accessed(self, column: Column, cell: int, pfn: int, offset: int, store: bool) -> None:
        """An access goes through a TLB entry: its page must not have been freed since the fill."""
        if column.view[cell] & SPECIAL:
            return
        generation = self.tlb_page_gen if column is self.tlb else self.tlb_span_page_gen
        if generation[cell] != self.page_gen[pfn - offset]:
            where = [(column.name, cell, 0), ("page_ref", pfn, 0)]
            self.violated(
                "I21", f"TLB hit -> page {pfn}, which has been freed since", self.k.checks.freed_at(pfn), where
            )
        if store:
            self.k.checks.dirty.stored(column, cell, pfn, offset)

    def _outdated(self, cpu: int, mm: int, page: int) -> None:
        """Object to a translation that is filled although its page was freed after the PTE was
        read, if user code could hit it: of a lazy CPU that speculates, as its older entries.
        """
        if not self.k.tlbflush.usable(cpu, mm):
            return
        what = f"cpu{cpu} fills its TLB with page {page}, which has been freed since it read the entry"
        self.violated("I21", what, self.k.checks.freed_at(page), [("page_ref", page, 0)])

    def entry_read(self, cpu: int, pte: int) -> None:
        """Note that what serves the misses of ``cpu`` has read an entry, which it may fill next."""
        page = pte >> PFN_SHIFT if pte & PRESENT else 0
        self.entry_read_at[cpu], self.entry_page[cpu], self.entry_gen[cpu] = self.m.seq, page, self.page_gen[page]

    def walked(self, cpu: int, mm: int, addr: int, table: int) -> None:
        """The hardware walker has read an entry of ``table``."""
        self.entry_read(cpu, self.pte.view[self.k.pgtable.ptep(table, addr)])
        row = self.k.tlb.walk_cell(cpu, mm, addr)
        base = addr - addr % self.g.ptrs_per_pte
        if (
            self.table_mm[table] != ref_to(mm)
            or self.table_base[table] != base
            or self.walk_gen[row] != self.table_gen[table]
        ):
            self.violated(
                "I22",
                f"cpu{cpu} walks table {table} for page {addr} of mm {mm}, which has been freed since",
                self.table_given(table),
                [("walk_cache", row, 0)],
            )

    # -- freeing ----------------------------------------------------------------------------------------------------

    def freeing(self, folio: int, nr: int) -> None:
        """The refcount of ``folio`` has just reached 0."""
        if not any(self.tlb_refs[folio : folio + nr].tolist()):
            return
        for cpu, mm, addr, entry in self.entries():
            reach = self.g.contpte if addr < 0 else 1
            pfn = entry >> PFN_SHIFT
            if pfn < folio + nr and pfn + reach > folio and not entry & SPECIAL and self.k.tlbflush.usable(cpu, mm):
                at = -1 - addr if addr < 0 else addr
                what = f"folio {folio} freed; cpu{cpu} still translates page {at} of mm {mm} to {pfn}"
                self.violated("I21", what, self.cleared_site(mm, at), [("page_ref", folio, 0)])

    def entries(self) -> list[tuple[int, int, int, int]]:
        """Return (cpu, mm, addr, entry) of each TLB entry; addr is -1 - first page for a span."""
        found = []
        for cell, entry in enumerate(self.tlb.view.tolist()):
            if entry:
                row, addr = divmod(cell, self.w.vpages)
                found.append((*divmod(row, self.w.mms), addr, entry))
        if len(self.tlb_span):
            per_row = self.w.vpages // self.g.contpte
            for cell, entry in enumerate(self.tlb_span.view.tolist()):
                if entry:
                    row, block = divmod(cell, per_row)
                    found.append((*divmod(row, self.w.mms), -1 - block * self.g.contpte, entry))
        return found

    def cleared_site(self, mm: int, addr: int) -> int:
        """Return the step that last cleared the PTE of ``addr``, as a site code."""
        seq = self.cleared_at[mm * self.w.vpages + addr] >> SLOT_BITS
        return self.m.code_at(seq)

    def cleared_since(self, cpu: int, mm: int, where: int, offset: int) -> int:
        """Return the step that cleared the PTE of a TLB entry after it was filled, as a site code,
        or 0.
        """
        addr = where if where >= 0 else -1 - where
        filled = (
            self.tlb_stamp[self.k.tlb.cell(cpu, mm, addr)]
            if where >= 0
            else self.tlb_span_stamp[self.k.tlb.span_cell(cpu, mm, addr)]
        )
        seq = self.cleared_at[mm * self.w.vpages + addr + offset] >> SLOT_BITS
        return self.m.code_at(seq) if seq > filled else 0

    def rcu_queued(self, table: int) -> None:
        """Note, for a table that is queued for a grace period, which CPUs are inside a reader's
        section: each must leave it before the table is freed.
        """
        for cpu in range(self.w.cpus):
            reading = self.rcu_nesting[cpu] or self.irq_off[cpu]
            self.rcu_readers[table * self.w.cpus + cpu] = self.sections[cpu] + 1 if reading else 0

    def _grace_period_over(self, table: int) -> None:
        for cpu in range(self.w.cpus):
            if self.rcu_readers[table * self.w.cpus + cpu] == self.sections[cpu] + 1:
                section = "the RCU reader's section that it was in when the table was queued"
                self.violated("I22", f"table {table} is freed, and cpu{cpu} is still in {section}")

    def table_given(self, table: int) -> int:
        """Return the step that last gave the table's slot back, as a site code, or 0."""
        return self.last_write(("table_slab", table // slab.SLOTS_PER_WORD, 0))

    def _in_use(self, table: int) -> None:
        """Judge a table that is being freed: it is empty, and no PMD names it."""
        start, pmds = table * self.g.ptrs_per_pte, self.pmd.view.tolist()
        live = [start + k for k in range(self.g.ptrs_per_pte) if self.pte.view[start + k] & PRESENT]
        if live:
            found = ("pte", live[0], 0)
            what = f"table {table} is freed with {len(live)} present entries"
            self.violated("I22b", what, self.last_write(found), [found])
        if ref_to(table) in pmds:
            hook = ("pmd", pmds.index(ref_to(table)), 0)
            self.violated("I22b", f"table {table} is freed while a PMD names it", self.last_write(hook), [hook])

    def table_freed(self, table: int) -> None:
        """A table's page has been put for the last time."""
        self._in_use(table)
        if self.profile.table_free:
            self._grace_period_over(table)
        for cell, cached in enumerate(self.walk_cache.view.tolist()):
            if cached == ref_to(table) and self.walk_gen[cell] == self.table_gen[table]:
                cpu, mm = divmod(cell // self.k.pgtable.per_mm, self.w.mms)
                if self.k.tlbflush.walks(cpu, mm):
                    what, where = (
                        f"table {table} is freed and cpu{cpu} has it in its walk cache for mm {mm}",
                        [("walk_cache", cell, 0)],
                    )
                    self.violated("I22", what, self.last_write(*where), where)
        self.table_gen[table] += 1

    # -- contiguous blocks ------------------------------------------------------------------------------------------

    def block_changed(self, ptep: int, who: int) -> None:
        """An entry that belongs, or belonged, to a contiguous block has changed: the block is
        judged when the actor lets go of its last PTL.
        """
        self.block_at[who] = self.m.seq
        if not self.block_last[who]:
            self.block_first[who] = ptep
        self.block_first[who] = min(self.block_first[who], ptep)
        self.block_last[who] = max(self.block_last[who], ptep + 1)

    def lock_released(self, who: int) -> None:
        """The actor let go of its last PTL."""
        if not self.block_last[who]:
            return
        size, end = self.g.contpte, self.block_last[who]
        for first in range(self.block_first[who] // size * size, end, size):
            self._whole(first, who)
        self.block_last[who] = 0

    def _whole(self, first: int, who: int) -> None:
        """Judge the block of entries from ``first`` on: contiguous in all its entries, or none.
        Whose table somebody else has locked is judged when he lets go.
        """
        if self.ptl.view[first // self.g.ptrs_per_pte] not in (0, who + 1):
            return
        entries = self.pte.view[first : first + self.g.contpte].tolist()
        if not any(pte & (PRESENT | CONT) == PRESENT | CONT for pte in entries):
            return
        head = entries[0] & ~ACCESS_BITS
        alike = all(pte & ~ACCESS_BITS == head + (k << PFN_SHIFT) for k, pte in enumerate(entries))
        if not alike or (head >> PFN_SHIFT) % self.g.contpte:
            found = " ".join(f"{pte:#x}" for pte in entries)
            what = f"the block from entry {first} on is contiguous in part: {found}"
            self.violated("I45", what, 0, [("pte", first, 0)], accused=self.m.code_at(self.block_at[who]))

    # -- a child that may run ---------------------------------------------------------------------------------------

    def _users_changed(self, child: int, old: int, new: int, holder: int) -> None:
        """Judge the step that gives an address space its first user: what it shares with another,
        no other CPU may still write to.
        """
        if old or not new:
            return
        for cpu, mm, addr, entry in self.entries():
            if mm == child or not entry & WRITE or cpu == self.m.current or not self.k.tlbflush.usable(cpu, mm):
                continue
            pfn, reach = entry >> PFN_SHIFT, self.g.contpte if addr < 0 else 1
            for page in range(pfn, pfn + reach):
                if self._shared_with(child, page):
                    what = f"mm {child} may run, and cpu{cpu} can still write through mm {mm} to page {page} of it"
                    self.violated("I46", what, self._narrowed_site(mm, addr, page - pfn), [("mm_users", child, 0)])

    def _shared_with(self, mm: int, page: int) -> bool:
        """Return whether ``page`` is anonymous, not exclusive, and mapped by ``mm``."""
        if not self.page_mapping[self.page_head[page]] & MAPPING_ANON or self.page_anon_exclusive.view[page]:
            return False
        mms, span = self.table_mm, self.g.ptrs_per_pte
        for ptep, pte in enumerate(self.pte.view.tolist()):
            if pte & (PRESENT | SPECIAL) == PRESENT and pte >> PFN_SHIFT == page and mms[ptep // span] == ref_to(mm):
                return True
        return False

    def _narrowed_site(self, mm: int, where: int, offset: int) -> int:
        """Return the step that last write-protected the PTE of a TLB entry, as a site code."""
        addr = where if where >= 0 else -1 - where + offset
        return self.m.code_at(self.narrowed_at[mm * self.w.vpages + addr] >> SLOT_BITS)

    # -- returning --------------------------------------------------------------------------------------------------

    def stale(
        self, mm: int, start: int, end: int, before: int, writable_only: bool, leaving: bool = False
    ) -> list[tuple[int, int, int]]:
        """Return (cpu, addr, entry) of the usable entries for [start, end) whose PTE has been
        cleared since they were filled, by the running actor or by any actor before step ``before``.

        ``writable_only``: of the writable entries whose PTE has been write-protected since.
        ``leaving``: the actor's own CPU is about to run user code, so its entries count as usable.
        """
        me, found = self.m.current, []
        stamps = self.narrowed_at if writable_only else self.cleared_at
        for cpu in range(self.w.cpus):
            reaching = self._reaching(cpu, mm, start, end)
            if not reaching or not (self.k.tlbflush.usable(cpu, mm) or (leaving and cpu == me)):
                continue
            for first, reach, entry, filled in reaching:
                if writable_only and not entry & WRITE:
                    continue
                for addr in range(max(first, start), min(first + reach, end)):
                    stamp = stamps[mm * self.w.vpages + addr]
                    seq, who = stamp >> SLOT_BITS, stamp & (1 << SLOT_BITS) - 1
                    if seq > filled and (who == me or seq <= before):
                        found.append((cpu, addr, entry))
        return found

    def _reaching(self, cpu: int, mm: int, start: int, end: int) -> list[tuple[int, int, int, int]]:
        """Return (first page, pages, entry, step of its fill) of the CPU's entries that translate
        [start, end) of ``mm``.
        """
        first, last = self.k.tlb.cell(cpu, mm, start), self.k.tlb.cell(cpu, mm, end)
        found = [
            (start + k, 1, entry, self.tlb_stamp[first + k])
            for k, entry in enumerate(self.tlb.view[first:last].tolist())
            if entry
        ]
        size = self.g.contpte
        if size > 1 and start < end:
            first, last = self.k.tlb.span_cell(cpu, mm, start), self.k.tlb.span_cell(cpu, mm, end - 1) + 1
            spans = enumerate(self.tlb_span.view[first:last].tolist())
            found += [
                ((start // size + k) * size, size, entry, self.tlb_span_stamp[first + k]) for k, entry in spans if entry
            ]
        return found

    def returned(self, mm: int, start: int, end: int, began: int, writable_only: bool = False) -> None:
        """Judge a call that takes [start, end) of ``mm`` away, or makes it read-only, and is about
        to return to user space.
        """
        stale = self.stale(mm, start, end, began, writable_only, leaving=True)
        if stale:
            cpu, addr, entry = stale[0]
            what = "write to" if writable_only else "use"
            self.violated(
                "I23",
                f"cpu{cpu} can still {what} page {addr} of mm {mm} (pfn {entry >> PFN_SHIFT})",
                self.cleared_site(mm, addr),
            )
