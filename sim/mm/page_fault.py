"""Page faults (mm/memory.c, the fault half, v6.9): anonymous, file, and write faults.

A fault holds the lock of its VMA for reading (:mod:`sim.mm.mmap_lock`), or else the mmap lock. Lock
order: mmap_lock, VMA lock, folio lock, PTL. Left out: swap-in (a fault on a swap entry ends the
access), userfaultfd events, stack growth. What happens to a present entry is in
:mod:`sim.mm.write_fault`.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import DIRTY, KIND_MARKER, KIND_MASK, PRESENT, SPECIAL, WRITE, YOUNG, make_pte
from sim.mm.filemap import RETRY
from sim.mm.mm_types import VM_SHARED, VM_UFFD_WP, VM_WRITE, ZERO_PFN
from sim.mm.write_fault import RECHECK, WriteFault

MMAP_LOCK = site("do_user_addr_fault", "lock mmap for reading")
MMAP_UNLOCK = site("do_user_addr_fault", "unlock mmap")
READ_PMD = site("handle_pte_fault", "read pmd")
READ_PTE = site("handle_pte_fault", "read pte")
LOCK_PTL = site("handle_pte_fault", "lock ptl")
ANON_PEEK = site("alloc_anon_folio", "look for empty ptes")
ANON_CHECK = site("do_anonymous_page", "check ptes empty")
ANON_REF = site("do_anonymous_page", "take mapping references")
PTE_CHECK = site("finish_fault", "check pte empty")


class PageFault(WriteFault):
    """Handles one fault at a time per task; returns whether the access may be tried again."""

    pmd: Column
    ptl: Column
    mmap_lock: Column
    mm_order: Cells
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells

    async def handle_mm_fault(self, cpu: int, mm: int, addr: int, write: bool) -> bool:
        """Handle a fault at ``addr``; False if no VMA allows the access, or the file that is mapped
        there has no such page.
        """
        vma, good = await self.k.mmap_lock.lock_vma_under_rcu(cpu, mm, addr), False
        if vma >= 0:
            good = self.allows(vma, write) and await self.handle_pte_fault(cpu, mm, vma, addr, write)
        if self.k.mmap_lock.vma_locked[cpu]:
            await self.k.mmap_lock.release_vma(cpu)
            return good
        await self.m.down_read(MMAP_LOCK, self.mmap_lock, mm)
        vma = self.k.mm_types.vma_lookup(mm, addr)
        good = vma >= 0 and self.allows(vma, write) and await self.handle_pte_fault(cpu, mm, vma, addr, write)
        await self.m.up_read(MMAP_UNLOCK, self.mmap_lock, mm)
        return good

    def allows(self, vma: int, write: bool) -> bool:
        """Return whether a VMA allows the access (access_error)."""
        return not write or bool(self.vma_flags[vma] & VM_WRITE)

    async def handle_pte_fault(self, cpu: int, mm: int, vma: int, addr: int, write: bool) -> bool:
        """Dispatch by what the entry holds, read without a lock.

        One that is present is compared under the PTL of the table that it was read in. That proves
        the table too: none is taken that has an entry.
        """
        table, pte = await self.k.pgtable.pte_offset_map(cpu, mm, addr, READ_PMD), 0
        if table >= 0:
            pte = await self.m.load(READ_PTE, self.pte, self.k.pgtable.ptep(table, addr))
        if table >= 0 and not pte & PRESENT:
            self.k.tlb.rcu_read_unlock(cpu)
        if not pte or pte & KIND_MASK == KIND_MARKER:
            return await self.do_pte_missing(cpu, mm, vma, addr, write, pte)
        if not pte & PRESENT:
            return False
        await self.m.lock(LOCK_PTL, self.ptl, table)
        ptep = self.k.pgtable.ptep(table, addr)
        if not self.k.pgtable.pte_same(await self.m.load(RECHECK, self.pte, ptep), pte):
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        elif write and not pte & WRITE:
            await self.do_wp_page(cpu, mm, vma, addr, table, pte)
        else:
            wider = pte | YOUNG | (DIRTY if write else 0)
            await self.k.pgtable.ptep_set_access_flags(cpu, mm, addr, ptep, pte, wider)
            await self.fix_spurious_fault(cpu, mm, addr, write, wider != pte)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

    async def fix_spurious_fault(self, cpu: int, mm: int, addr: int, write: bool, changed: bool) -> None:
        """A write that the entry allows without a change has met an older one in the TLB."""
        if write and not changed:
            await self.k.pgtable.flush_tlb_fix_spurious_fault(cpu, mm, addr)

    async def do_pte_missing(self, cpu: int, mm: int, vma: int, addr: int, write: bool, pte: int) -> bool:
        """Fill an entry that is empty, or a marker."""
        if self.k.mm_types.vma_is_anonymous(vma):
            return await self.do_anonymous_page(cpu, mm, vma, addr, write)
        return await self.do_fault(cpu, mm, vma, addr, write, pte)

    # -- anonymous memory ------------------------------------------------------------------------------------------

    async def do_anonymous_page(self, cpu: int, mm: int, vma: int, addr: int, write: bool) -> bool:
        """Map a fresh folio of the largest order that fits, or for a read the zero page; again
        later if the entries are no longer empty.
        """
        await self._pte_alloc_once(cpu, mm, addr)
        if not write:
            return await self.map_zero_page(cpu, mm, addr)
        if not await self.vmf_anon_prepare(cpu, vma):
            return True
        folio, order = await self.alloc_anon_folio(cpu, mm, vma, addr)
        nr, base = 1 << order, addr >> order << order
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, base)
        if table < 0:
            await self.k.swap.folio_put(cpu, folio)
            return True
        ptep = self.k.pgtable.ptep(table, base)
        if not await self._all_empty(ptep, nr):
            await self.k.swap.folio_put(cpu, folio)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
            return True
        if nr > 1:
            await self.m.add(ANON_REF, self.page_ref, folio, nr - 1, TRANSIENT)
        await self.map_anon_folio(cpu, vma, base, ptep, folio, nr)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

    async def map_zero_page(self, cpu: int, mm: int, addr: int) -> bool:
        """Map the zero page at ``addr``, if the entry is still empty; it is not counted."""
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table >= 0:
            ptep = self.k.pgtable.ptep(table, addr)
            if await self._all_empty(ptep, 1):
                await self.k.pgtable.set_ptes(cpu, mm, addr, ptep, make_pte(ZERO_PFN, SPECIAL | YOUNG), 1)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

    async def _pte_alloc_once(self, cpu: int, mm: int, addr: int) -> None:
        if not await self.m.load(READ_PMD, self.pmd, self.k.pgtable.pmd_index(mm, addr)):
            await self.k.pgtable.pte_alloc(cpu, mm, addr)

    async def _all_empty(self, ptep: int, nr: int) -> bool:
        for k in range(nr):
            if await self.m.load(ANON_CHECK, self.pte, ptep + k):
                return False
        return True

    async def alloc_anon_folio(self, cpu: int, mm: int, vma: int, addr: int) -> tuple[int, int]:
        """Return a zeroed folio and its order: the largest allowed whose aligned block lies in the
        VMA and is empty; 0 where userfaultfd watches.
        """
        allowed = 0 if self.vma_flags[vma] & VM_UFFD_WP else self.mm_order[mm]
        for order in reversed([o for o in self.g.orders if 0 < o <= allowed]):
            base = addr >> order << order
            if (
                base < self.vma_start[vma]
                or base + (1 << order) > self.vma_end[vma]
                or 1 << order > self.g.ptrs_per_pte
            ):
                continue
            if not await self.k.pgtable.pte_peek(cpu, mm, base, READ_PMD, ANON_PEEK, 1 << order):
                folio = await self.k.page_alloc.alloc_zeroed_folio(order)
                if folio >= 0:
                    return folio, order
        return await self.k.page_alloc.alloc_zeroed_folio(0), 0

    # -- file memory -----------------------------------------------------------------------------------------------

    async def do_fault(self, cpu: int, mm: int, vma: int, addr: int, write: bool, pte: int) -> bool:
        """Map page-cache pages, or a private copy of one, or read one in and leave the rest to the
        next attempt; False if the file does not reach so far (SIGBUS).
        """
        if not write and self.should_fault_around(vma) and await self.do_fault_around(cpu, mm, vma, addr):
            return True
        copies = write and not self.vma_flags[vma] & VM_SHARED
        if copies and not await self.vmf_anon_prepare(cpu, vma):
            return True
        folio = await self.k.filemap.filemap_fault(cpu, vma, addr)
        if folio < 0:
            return folio == RETRY
        page = self.k.filemap.page_at(folio, addr - self.vma_start[vma] + self.vma_pgoff[vma])
        if copies:
            await self.do_cow_fault(cpu, mm, vma, addr, page, pte)
            await self.k.filemap.unlock_folio(folio)
            await self.k.swap.folio_put(cpu, folio)
            return True
        mapped = await self.finish_fault(cpu, mm, vma, addr, page, write, pte)
        if write and mapped:
            await self.k.page_writeback.folio_mark_dirty(folio)
        await self.k.filemap.unlock_folio(folio)
        if not mapped:
            await self.k.swap.folio_put(cpu, folio)
        return True

    async def do_fault_around(self, cpu: int, mm: int, vma: int, addr: int) -> bool:
        """Map what is cached around ``addr``; return whether its own page was among it."""
        if not await self.k.filemap.window_is_open(cpu, mm, vma, addr):
            return False
        await self._pte_alloc_once(cpu, mm, addr)
        return await self.k.filemap.filemap_map_pages(cpu, mm, vma, addr)

    def should_fault_around(self, vma: int) -> bool:
        """Return whether a read fault maps its neighbours too: not where userfaultfd
        write-protects, nor in windows of one page.
        """
        return self.k.filemap.fault_around() > 1 and not self.vma_flags[vma] & VM_UFFD_WP

    async def finish_fault(self, cpu: int, mm: int, vma: int, addr: int, page: int, write: bool, orig: int) -> bool:
        """Map one page; the fault's own reference becomes the mapping's.

        Return False if another fault was faster.
        """
        await self._pte_alloc_once(cpu, mm, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        ptep = self.k.pgtable.ptep(table, addr)
        empty = await self.is_unchanged(ptep, orig)
        if empty:
            await self.add_rss(cpu, mm, self.k.mm_types.mm_counter_file(self.k.page_head(page)), 1)
            await self.set_pte_range(cpu, vma, addr, ptep, page, 1, write, orig)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return empty

    async def is_unchanged(self, ptep: int, orig: int) -> bool:
        """Return whether an entry still holds what the fault was taken for: asked under the PTL
        (!vmf_pte_changed).
        """
        return await self.m.load(PTE_CHECK, self.pte, ptep) == orig

    async def set_pte_range(
        self,
        cpu: int,
        vma: int,
        addr: int,
        ptep: int,
        page: int,
        nr: int,
        write: bool,
        orig: int,
        holder: int = TRANSIENT,
    ) -> None:
        """Map ``nr`` pages of a file's folio, from ``page`` at ``addr`` on: rmap, then PTEs, for
        which ``holder`` gives the references.
        """
        bits = self._wp_bits(vma, orig, await self.range_bits(vma, page, write))
        await self.k.rmap.folio_add_file_rmap_ptes(self.k.page_head(page), page, nr, vma)
        await self.k.pgtable.set_ptes(cpu, self.k.mm_types.mm_of(vma), addr, ptep, make_pte(page, bits), nr, holder)

    async def range_bits(self, vma: int, page: int, write: bool) -> int:
        """Return the bits of a PTE that maps a file's page for the first time."""
        return YOUNG | (WRITE | DIRTY if write else self.k.mm_types.file_pte_bits(vma))

    async def do_cow_fault(self, cpu: int, mm: int, vma: int, addr: int, page: int, orig: int) -> None:
        """Map a private copy of ``page``, which the caller holds locked."""
        copy = await self.k.page_alloc.alloc_zeroed_folio(0)
        await self.copy_user_page(copy, page)
        await self._pte_alloc_once(cpu, mm, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        ptep = self.k.pgtable.ptep(table, addr)
        if table >= 0 and await self.is_unchanged(ptep, orig):
            await self.map_anon_folio(cpu, vma, addr, ptep, copy, 1, orig)
            copy = -1
        if table >= 0:
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        if copy >= 0:
            await self.k.swap.folio_put(cpu, copy)
