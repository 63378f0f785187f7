"""Page tables and the batched PTE primitives (include/linux/pgtable.h, mm/pgtable-generic.c, v6.9).

Two levels are modelled: a PMD slot per ``ptrs_per_pte`` pages of an address space, and PTE tables.
A table is a slot of the column ``pte`` backed by a page of the allocator; ``table_mm`` is 0 while
the slot is free. A profile overrides the PTE primitives here that its architecture overrides in
Linux.

Lock order: mmap_lock, PML (``mm_pml``), PTL (``ptl``).
Left out: upper levels, PMD leaves, retraction of tables by khugepaged.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.ledger import TABLE, TRANSIENT
from sim.core.machine import site
from sim.core.pte import ACCESS_BITS, DIRTY, PFN_SHIFT, UFFD_WP, WRITE, YOUNG
from sim.core.slab import Slab

MAP_PMD = site("pte_offset_map_lock", "read pmd")
LOCK_PTL = site("pte_offset_map_lock", "lock ptl")
RECHECK_PMD = site("pte_offset_map_lock", "re-read pmd")
BACK_OFF = site("pte_offset_map_lock", "pmd changed: unlock ptl")
UNLOCK_PTL = site("pte_unmap_unlock", "unlock ptl")
GET = site("ptep_get", "read pte")
CLEAR = site("ptep_get_and_clear", "clear pte")
CLEAR_FULL_READ = site("ptep_get_and_clear_full", "read pte, fullmm")
CLEAR_FULL_STORE = site("ptep_get_and_clear_full", "clear pte, fullmm")
CLEAR_NOT_PRESENT = site("pte_clear_not_present_full", "clear entry")
SET = site("set_ptes", "set pte")
WRPROTECT = site("ptep_set_wrprotect", "write-protect pte")
ACCESS_FLAGS = site("ptep_set_access_flags", "set flags")
UFFD_PROTECT = site("setup", "write-protect for userfaultfd")
UFFD_RESOLVE = site("uffd_wp_range", "lift protection")
CLEAR_YOUNG = site("ptep_test_and_clear_young", "clear young")
ALLOC_LOCK = site("__pte_alloc", "lock pml")
ALLOC_READ = site("__pte_alloc", "read pmd")
ALLOC_SET = site("__pte_alloc", "populate pmd")
ALLOC_COUNT = site("__pte_alloc", "count table")
ALLOC_UNLOCK = site("__pte_alloc", "unlock pml")
PMD_CLEAR = site("free_pte_range", "clear pmd")
PMD_READ = site("free_pte_range", "read pmd")
COUNT_DOWN = site("free_pte_range", "uncount table")
PUT_TABLE = site("pte_free", "free table page")
TAKE_SLOT = site("pagetable_pte_ctor", "take ptdesc")
GIVE_SLOT = site("pagetable_pte_dtor", "give ptdesc back")


class Pgtable(Component):
    """Tables, their locks, and the PTE primitives."""

    name = "pgtable"

    bookkeeping = 0
    """Bits that say nothing about the translation; comparing entries leaves them out."""

    pte: Column
    pmd: Column
    ptl: Column
    table_mm: Cells
    table_base: Cells
    table_page: Cells
    table_of_page: Cells
    mm_pml: Column
    mm_pgtables: Column
    page_ref: Column

    def fields(self) -> list[Field]:
        tables = self.table_slots
        self.slab = Slab("table_slab", tables, "page tables")
        return [
            self.slab.field(),
            Field("pte", tables * self.g.ptrs_per_pte, bits=self.entry_bits),
            Field("pmd", self.w.mms * self.per_mm, bits=bits_for(tables)),
            Field("ptl", tables, lock=SPIN, bits=bits_for(self.k.slots)),
            Field("table_mm", tables, PRIVATE, bits=bits_for(self.w.mms)),
            Field("table_base", tables, PRIVATE, bits=bits_for(self.w.vpages)),
            Field("table_page", tables, PRIVATE, bits=bits_for(self.w.pages - 1)),
            Field("table_of_page", self.w.pages, PRIVATE, bits=bits_for(tables)),
        ]

    def bind(self) -> None:
        super().bind()
        self.slab.bind(self.m, self.k.arena["table_slab"])

    @property
    def per_mm(self) -> int:
        """PMD slots of one address space."""
        return -(-self.w.vpages // self.g.ptrs_per_pte)

    @property
    def entry_bits(self) -> int:
        """Bits of a page table or TLB entry."""
        return PFN_SHIFT + bits_for(max(self.w.pages, self.w.swap_slots) - 1)

    @property
    def table_slots(self) -> int:
        """Table slots of the world; where tables are reclaimed, many may wait for a grace period
        while others have taken their places.
        """
        slots = self.w.tables or self.w.mms * self.per_mm * 3 // 2 + 1
        return 4 * slots + 4 if self.profile.reclaims_pt else slots

    # -- where an entry is --------------------------------------------------------------------------------------

    def pmd_index(self, mm: int, addr: int) -> int:
        """Return the index into ``pmd`` for ``addr`` of ``mm``."""
        return mm * self.per_mm + addr // self.g.ptrs_per_pte

    def ptep(self, table: int, addr: int) -> int:
        """Return the index into ``pte`` of ``addr`` in ``table``."""
        return table * self.g.ptrs_per_pte + addr % self.g.ptrs_per_pte

    async def pte_offset_map_lock(self, cpu: int, mm: int, addr: int) -> int:
        """Lock the table that maps ``addr``; return it, or -1 if there is none.

        Holds RCU and the PTL.
        """
        index = self.pmd_index(mm, addr)
        while True:
            self.k.tlb.rcu_read_lock(cpu)
            table = index_of_ref(await self.m.load(MAP_PMD, self.pmd, index))
            if table < 0:
                self.k.tlb.rcu_read_unlock(cpu)
                return -1
            await self.m.lock(LOCK_PTL, self.ptl, table)
            if await self.m.load(RECHECK_PMD, self.pmd, index) == ref_to(table):
                return table
            # Only with PT_RECLAIM (6.14), which takes a table under readers. Without it, free_pgd_range
            # alone clears a slot, and its callers have first made every VMA that used the table
            # unfindable: to faults, forks and zaps under the mmap lock, to rmap walks under the rmap
            # locks. Whatever gets here holds one of the two.
            await self.m.unlock(BACK_OFF, self.ptl, table)
            self.k.tlb.rcu_read_unlock(cpu)

    async def pte_peek(self, cpu: int, mm: int, addr: int, pmd_site: int, pte_site: int, nr: int = 1) -> int:
        """Look at the ``nr`` entries from ``addr`` on, without their lock, as a RCU reader
        (pte_offset_map); return the first that is not 0.

        Returns 0 also if there is no table.
        """
        table, pte, k = await self.pte_offset_map(cpu, mm, addr, pmd_site), 0, 0
        if table < 0:
            return 0
        while not pte and k < nr:
            pte = await self.m.load(pte_site, self.pte, self.ptep(table, addr) + k)
            k += 1
        self.k.tlb.rcu_read_unlock(cpu)
        return pte

    async def pte_offset_map(self, cpu: int, mm: int, addr: int, where: int) -> int:
        """Map the table of ``addr`` as an RCU reader; return it, or -1 if there is none.

        RCU keeps the table allocated. It keeps neither its entries, nor its place in the PMD.
        """
        self.k.tlb.rcu_read_lock(cpu)
        table = index_of_ref(await self.m.load(where, self.pmd, self.pmd_index(mm, addr)))
        if table < 0:
            self.k.tlb.rcu_read_unlock(cpu)
        return table

    async def pte_unmap_unlock(self, cpu: int, table: int) -> None:
        """Drop the PTL and RCU."""
        await self.m.unlock(UNLOCK_PTL, self.ptl, table)
        self.k.tlb.rcu_read_unlock(cpu)

    # -- primitives that architectures override -----------------------------------------------------------------

    def ptep_get(self, ptep: int, where: int = GET) -> Coroutine[Any, Any, int]:
        """Read one entry."""
        return self.m.load(where, self.pte, ptep)

    def pte_batch_hint(self, ptep: int, pte: int) -> int:
        """Return how many entries from ``ptep`` on surely belong together; 1 unless contiguous."""
        return 1

    def ptep_get_and_clear(self, cpu: int, mm: int, addr: int, ptep: int) -> Coroutine[Any, Any, int]:
        """Clear one entry atomically; return what it held."""
        return self.m.xchg(CLEAR, self.pte, ptep, 0)

    def ptep_get_and_clear_full(self, cpu: int, mm: int, addr: int, ptep: int, full: bool) -> Coroutine[Any, Any, int]:
        """Clear one entry; ``full``: the whole mm is torn down, and no thread runs it, so that a
        load and a store may do.
        """
        if full and self.profile.plain_fullmm_clear:
            return self.plain_get_and_clear(ptep)
        return self.ptep_get_and_clear(cpu, mm, addr, ptep)

    async def plain_get_and_clear(self, ptep: int) -> int:
        """Clear one entry by a load and a store (native_local_ptep_get_and_clear)."""
        pte = await self.m.load(CLEAR_FULL_READ, self.pte, ptep)
        await self.m.store(CLEAR_FULL_STORE, self.pte, ptep, 0)
        return pte

    async def get_and_clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> int:
        """Clear ``nr`` entries, each atomically; return the first with the young and dirty bits of
        all.
        """
        pte = await self.ptep_get_and_clear_full(cpu, mm, addr, ptep, full)
        for k in range(1, nr):
            pte = self.collect_access_bits(pte, await self.ptep_get_and_clear_full(cpu, mm, addr + k, ptep + k, full))
        return pte

    def collect_access_bits(self, pte: int, later: int) -> int:
        """Return the first entry of a batch with the young and dirty bits of a later one."""
        return pte | later & ACCESS_BITS

    async def clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> None:
        """Clear ``nr`` entries and forget what they held."""
        for k in range(nr):
            await self.ptep_get_and_clear_full(cpu, mm, addr + k, ptep + k, full)

    async def set_ptes(
        self, cpu: int, mm: int, addr: int, ptep: int, pte: int, nr: int, holder: int = TRANSIENT
    ) -> None:
        """Store ``nr`` entries for consecutive pages; ``holder`` gives the references that the
        mappings hold.
        """
        for k in range(nr):
            await self.m.store(SET, self.pte, ptep + k, pte + (k << PFN_SHIFT), holder)

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        """Take write permission from ``nr`` entries, each atomically; dirty bits stay."""
        for k in range(nr):
            await self.m.rmw(WRPROTECT, self.pte, ptep + k, lambda pte: pte & ~WRITE)

    async def ptep_set_access_flags(self, cpu: int, mm: int, addr: int, ptep: int, old: int, new: int) -> None:
        """Widen an entry (young, dirty, writable), keeping bits that hardware sets meanwhile."""
        wider = new & (YOUNG | DIRTY | WRITE)
        await self.m.rmw(ACCESS_FLAGS, self.pte, ptep, lambda pte: pte | wider)

    async def flush_tlb_fix_spurious_fault(self, cpu: int, mm: int, addr: int) -> None:
        """A write has faulted that the entry allows: nothing to do, where a miss reads it again."""

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Clear one entry and flush the page from every TLB; return what it held."""
        pte = await self.ptep_get_and_clear(cpu, mm, addr, ptep)
        await self.k.tlbflush.flush_tlb_page(cpu, mm, addr)
        return pte

    def pte_clear_not_present_full(self, ptep: int) -> Coroutine[Any, Any, None]:
        """Clear an entry that no TLB can hold: a plain store."""
        return self.m.store(CLEAR_NOT_PRESENT, self.pte, ptep, 0)

    async def uffd_wp_protect(self, cpu: int, ptep: int) -> None:
        """Let userfaultfd write-protect one entry; the caller flushes."""
        await self.m.rmw(UFFD_PROTECT, self.pte, ptep, lambda pte: pte & ~WRITE | UFFD_WP)

    async def uffd_wp_resolve(self, cpu: int, ptep: int) -> None:
        """Lift userfaultfd's protection from one entry: it becomes an ordinary read-only one."""
        await self.m.rmw(UFFD_RESOLVE, self.pte, ptep, lambda pte: pte & ~UFFD_WP)

    async def ptep_clear_young(self, cpu: int, mm: int, addr: int, ptep: int) -> bool:
        """Clear the young bit, without a flush; return whether it was set."""
        return bool(await self.m.rmw(CLEAR_YOUNG, self.pte, ptep, lambda pte: pte & ~YOUNG) & YOUNG)

    async def clear_flush_young_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> bool:
        """Clear the young bits of ``nr`` entries, without a flush; return whether one was set."""
        young = 0
        for k in range(nr):
            young |= await self.ptep_clear_young(cpu, mm, addr + k, ptep + k)
        return bool(young)

    def pte_same(self, a: int, b: int) -> bool:
        """Return whether two entries are the same but for what the architecture notes in them for
        itself.
        """
        return not (a ^ b) & ~self.bookkeeping

    def fresh(self, pte: int) -> int:
        """Return ``pte`` without what belongs to the slot that it was read from."""
        return pte

    async def arch_enter_lazy_mmu_mode(self, cpu: int) -> None:
        """Begin to batch what follows PTE changes; nothing but on ppc64 hash."""

    async def arch_leave_lazy_mmu_mode(self, cpu: int) -> None:
        """Flush what has been batched since lazy MMU mode was entered."""

    # -- tables ---------------------------------------------------------------------------------------------------

    async def pte_alloc(self, cpu: int, mm: int, addr: int) -> None:
        """Make sure that a table for ``addr`` exists (__pte_alloc)."""
        index = self.pmd_index(mm, addr)
        page = await self.k.page_alloc.alloc_zeroed_folio(0)
        table = await self.slab.take(TAKE_SLOT)
        self._claim(table, mm, addr, page)
        await self.m.lock(ALLOC_LOCK, self.mm_pml, mm)
        empty = await self.pmd_none(index)
        if empty:
            await self.m.add(ALLOC_COUNT, self.mm_pgtables, mm, 1)
            await self.m.store(ALLOC_SET, self.pmd, index, ref_to(table))
        await self.m.unlock(ALLOC_UNLOCK, self.mm_pml, mm)
        if not empty:
            await self.pte_free(table)

    async def pmd_none(self, index: int) -> bool:
        """Return whether a PMD slot has no table: asked under the PML, as another fault may have
        been faster.
        """
        return not await self.m.load(ALLOC_READ, self.pmd, index)

    def _claim(self, table: int, mm: int, addr: int, page: int) -> None:
        """Make the slot just taken an empty table for ``addr``, in ``page``."""
        self.table_mm[table] = ref_to(mm)
        self.table_base[table] = addr - addr % self.g.ptrs_per_pte
        self.table_page[table] = page
        self.table_of_page[page] = ref_to(table)
        start = table * self.g.ptrs_per_pte
        for ptep in range(start, start + self.g.ptrs_per_pte):
            self.pte.view[ptep] = 0
        self.k.ledger.move(TRANSIENT, TABLE, page, 1)

    async def pte_free(self, table: int, holder: int = TABLE) -> None:
        """Free a table at once: it cannot be reached any more (pagetable_free).

        A lookup in the page cache may have taken a reference to what its page was before, and not
        have looked again yet: then the page is freed by the put of that (mm/page_alloc.c,
        __free_pages).
        """
        page = self.table_page[table]
        if await self.m.add(PUT_TABLE, self.page_ref, page, -1, holder) == 0:
            await self.release(page)
            await self.k.page_alloc.free_unref_folios([page])

    async def release(self, page: int) -> None:
        """Give up the table slot, if any, of a page whose last reference has just been put."""
        table = index_of_ref(self.table_of_page[page])
        if table < 0:
            return
        self.k.checks.table_freed(table)
        self.table_of_page[page] = self.table_mm[table] = self.table_page[table] = 0
        await self.slab.give(GIVE_SLOT, table)

    async def free_pgd_range(self, tlb: int, mm: int, addr: int, end: int, floor: int, ceiling: int) -> None:
        """Unhook and queue every table that lies wholly between ``floor`` and ``ceiling``
        (mm/memory.c).
        """
        span = self.g.ptrs_per_pte
        for base in range(addr - addr % span, end, span):
            if base < floor or base + span > ceiling:
                continue
            table = index_of_ref(await self.m.load(PMD_READ, self.pmd, self.pmd_index(mm, base)))
            if table < 0:
                continue
            await self.free_pte_range(tlb, mm, table, base)

    async def free_pte_range(self, tlb: int, mm: int, table: int, base: int) -> None:
        """Unhook the table of ``base``, give it to the gather, and count it off."""
        await self.m.store(PMD_CLEAR, self.pmd, self.pmd_index(mm, base), 0)
        await self.k.mmu_gather.pte_free_tlb(tlb, table, base)
        await self.m.add(COUNT_DOWN, self.mm_pgtables, mm, -1)
