"""Page faults (mm/memory.c, the fault half, v6.9): anonymous, file, and write faults.

The mmap lock is held for reading throughout; the per-VMA lock that replaces it since 6.4 excludes
the same parties here. Lock order: mmap_lock, folio lock, PTL. Left out: swap-in (a fault on a swap
entry ends the access), userfaultfd events, stack growth.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import DIRTY, KIND_MARKER, KIND_MASK, PRESENT, SPECIAL, UFFD_WP, WRITE, YOUNG, make_pte, pte_pfn
from sim.mm.filemap import RETRY
from sim.mm.mm_types import MM_ANONPAGES, NR_MM_COUNTERS, VM_SHARED, VM_UFFD_WP, VM_WRITE, ZERO_PFN

MMAP_LOCK = site("do_user_addr_fault", "lock mmap for reading")
MMAP_UNLOCK = site("do_user_addr_fault", "unlock mmap")
READ_PMD = site("handle_pte_fault", "read pmd")
READ_PTE = site("handle_pte_fault", "read pte")
LOCK_PTL = site("handle_pte_fault", "lock ptl")
RECHECK = site("handle_pte_fault", "re-read pte under ptl")
ANON_PEEK = site("alloc_anon_folio", "look for empty ptes")
ANON_CHECK = site("do_anonymous_page", "check ptes empty")
ANON_REF = site("do_anonymous_page", "take mapping references")
RSS = site("handle_mm_fault", "raise rss")
RSS_MOVE = site("wp_page_copy", "move rss")
PTE_CHECK = site("finish_fault", "check pte empty")
WP_EXCLUSIVE = site("do_wp_page", "read exclusive")
WP_REFS = site("wp_can_reuse_anon_folio", "read refcount")
WP_TRYLOCK = site("wp_can_reuse_anon_folio", "trylock folio")
WP_UNLOCK = site("wp_can_reuse_anon_folio", "unlock folio")
WP_LRU = site("wp_can_reuse_anon_folio", "read PG_lru")
WP_SET_EXCLUSIVE = site("do_wp_page", "set exclusive")
WP_GET = site("do_wp_page", "take reference")
COPY_READ = site("wp_page_copy", "read old page")
COPY_WRITE = site("wp_page_copy", "write new page")
PENDING = site("do_wp_page", "read flush pending")
MKWRITE_LOCK = site("do_page_mkwrite", "lock folio")
MKWRITE_UNLOCK = site("fault_dirty_shared_page", "unlock folio")


class PageFault(Component):
    """Handles one fault at a time per task; returns whether the access may be tried again."""

    name = "page_fault"

    pte: Column
    pmd: Column
    ptl: Column
    mmap_lock: Column
    mm_rss: Column
    mm_order: Cells
    mm_tlb_flush_pending: Column
    vma_flags: Cells
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells
    page_ref: Column
    page_order: Cells
    page_content: Column
    page_anon_exclusive: Column
    page_locked: Column
    page_lru: Column

    async def handle_mm_fault(self, cpu: int, mm: int, addr: int, write: bool) -> bool:
        """Handle a fault at ``addr``; False if no VMA allows the access, or the file that is mapped
        there has no such page.
        """
        await self.m.down_read(MMAP_LOCK, self.mmap_lock, mm)
        vma = self.k.mm_types.vma_lookup(mm, addr)
        good = vma >= 0 and (not write or bool(self.vma_flags[vma] & VM_WRITE))
        if good:
            good = await self.handle_pte_fault(cpu, mm, vma, addr, write)
        await self.m.up_read(MMAP_UNLOCK, self.mmap_lock, mm)
        return good

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
            if write and wider == pte:
                await self.k.pgtable.flush_tlb_fix_spurious_fault(cpu, mm, addr)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

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
        await self.k.rmap.anon_vma_prepare(vma)
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

    async def map_anon_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """Count a fresh folio of ``nr`` pages, then map it from ``at`` on."""
        await self.add_rss(cpu, self.k.mm_types.mm_of(vma), MM_ANONPAGES, nr)
        await self.map_new_folio(cpu, vma, at, ptep, folio, nr, orig)

    async def map_new_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """Let the reverse map and the LRU know of a fresh anonymous folio, then store its PTEs."""
        await self.k.rmap.folio_add_new_anon_rmap(folio, vma, at)
        await self.k.swap.folio_add_lru(cpu, folio)
        entry = make_pte(folio, self._wp_bits(vma, orig, self._new_bits(vma)))
        await self.k.pgtable.set_ptes(cpu, self.k.mm_types.mm_of(vma), at, ptep, entry, nr)

    async def map_zero_page(self, cpu: int, mm: int, addr: int) -> bool:
        """Map the zero page at ``addr``, if the entry is still empty; it is not counted."""
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table >= 0:
            ptep = self.k.pgtable.ptep(table, addr)
            if await self._all_empty(ptep, 1):
                await self.k.pgtable.set_ptes(cpu, mm, addr, ptep, make_pte(ZERO_PFN, SPECIAL | YOUNG), 1)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

    def _new_bits(self, vma: int) -> int:
        return YOUNG | (WRITE | DIRTY if self.vma_flags[vma] & VM_WRITE else 0)

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

    def add_rss(self, cpu: int, mm: int, member: int, nr: int) -> Coroutine[Any, Any, int]:
        """Raise one RSS counter on this CPU."""
        return self.m.add(RSS, self.mm_rss, (cpu * self.w.mms + mm) * NR_MM_COUNTERS + member, nr)

    # -- file memory -----------------------------------------------------------------------------------------------

    async def do_fault(self, cpu: int, mm: int, vma: int, addr: int, write: bool, pte: int) -> bool:
        """Map page-cache pages, or a private copy of one, or read one in and leave the rest to the
        next attempt; False if the file does not reach so far (SIGBUS).
        """
        if not write and self.should_fault_around(vma) and await self.do_fault_around(cpu, mm, vma, addr):
            return True
        copies = write and not self.vma_flags[vma] & VM_SHARED
        if copies:
            await self.k.rmap.anon_vma_prepare(vma)
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

    def _wp_bits(self, vma: int, orig: int, bits: int) -> int:
        """Return ``bits``, write-protected by userfaultfd if ``orig`` is a marker that says so
        (pte_mkuffd_wp).
        """
        return bits & ~WRITE | UFFD_WP if orig and self.vma_flags[vma] & VM_UFFD_WP else bits

    async def copy_user_page(self, copy: int, page: int) -> None:
        """Copy the content of ``page`` to ``copy``, which is private to the fault."""
        await self.m.store(COPY_WRITE, self.page_content, copy, await self.m.load(COPY_READ, self.page_content, page))

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

    # -- write faults on present entries ---------------------------------------------------------------------------

    async def do_wp_page(self, cpu: int, mm: int, vma: int, addr: int, table: int, pte: int) -> None:
        """Make a present read-only entry writable: reuse the page, or copy it.

        Entered under the PTL, drops it.
        """
        page, flags = pte_pfn(pte), self.vma_flags[vma]
        if flags & VM_UFFD_WP:
            pte = await self._uffd_wp_fault(cpu, mm, addr, table, pte)
        if flags & VM_SHARED:
            await self.wp_page_shared(cpu, mm, vma, addr, table, pte)
            return
        folio = self.k.page_head(page)
        anon = not pte & SPECIAL and self.k.mm_types.folio_test_anon(folio)
        if anon and await self.may_reuse(cpu, folio, page):
            await self.wp_page_reuse(cpu, mm, addr, table, pte)
            return
        if not pte & SPECIAL:
            await self.m.add(WP_GET, self.page_ref, folio, 1, TRANSIENT)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        await self.wp_page_copy(cpu, mm, vma, addr, page, pte)

    async def _uffd_wp_fault(self, cpu: int, mm: int, addr: int, table: int, pte: int) -> int:
        """A write where userfaultfd may protect: lift that at once (userfaultfd_wp_async), flush if
        a gather is open; return the entry.
        """
        if pte & UFFD_WP:
            await self.k.pgtable.uffd_wp_resolve(cpu, self.k.pgtable.ptep(table, addr))
        if await self.m.load(PENDING, self.mm_tlb_flush_pending, mm):
            await self.k.tlbflush.flush_tlb_page(cpu, mm, addr)
        return pte & ~UFFD_WP

    async def may_reuse(self, cpu: int, folio: int, page: int) -> bool:
        """Return whether the anonymous page is this mapping's alone, and mark it so."""
        if await self.m.load(WP_EXCLUSIVE, self.page_anon_exclusive, page):
            return True
        reuse = await self.wp_can_reuse_anon_folio(cpu, folio)
        if reuse:
            await self.m.store(WP_SET_EXCLUSIVE, self.page_anon_exclusive, page, 1)
        return reuse

    async def wp_page_reuse(self, cpu: int, mm: int, addr: int, table: int, pte: int) -> None:
        """Make the entry young, dirty and writable; drop the PTL."""
        ptep = self.k.pgtable.ptep(table, addr)
        await self.k.pgtable.ptep_set_access_flags(cpu, mm, addr, ptep, pte, pte | YOUNG | DIRTY | WRITE)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """Return whether this mapping holds the small folio's only reference. Large folios are
        never reused (6.9).
        """
        if self.page_order[folio] or not await self.may_be_sole(cpu, folio):
            return False
        if await self.m.load(WP_REFS, self.page_ref, folio) > 1 or not await self.m.trylock(
            WP_TRYLOCK, self.page_locked, folio
        ):
            return False
        sole = await self.m.load(WP_REFS, self.page_ref, folio) == 1
        await self.m.unlock(WP_UNLOCK, self.page_locked, folio)
        return sole

    async def may_be_sole(self, cpu: int, folio: int) -> bool:
        """Return whether a small folio's references may come down to one, having drained this CPU's
        LRU batch if that may hold one.
        """
        if await self.m.load(WP_REFS, self.page_ref, folio) > 3:
            return False
        if not await self.m.load(WP_LRU, self.page_lru, folio):
            await self.k.swap.lru_add_drain(cpu)
        return True

    async def wp_page_shared(self, cpu: int, mm: int, vma: int, addr: int, table: int, pte: int) -> None:
        """Let the file system know, then make the entry writable and dirty, then mark the folio
        dirty; nothing of that if the folio was truncated before its lock was taken.
        """
        folio = self.k.page_head(pte_pfn(pte))
        await self.m.add(WP_GET, self.page_ref, folio, 1, TRANSIENT)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        await self.m.lock(MKWRITE_LOCK, self.page_locked, folio)
        table, reused = -1, False
        if self.k.filemap.in_cache(self.k.mm_types.file_of(vma), folio):
            table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table >= 0:
            ptep = self.k.pgtable.ptep(table, addr)
            reused = self.k.pgtable.pte_same(await self.m.load(RECHECK, self.pte, ptep), pte)
            if reused:
                await self.wp_page_reuse(cpu, mm, addr, table, pte)
            else:
                await self.k.pgtable.pte_unmap_unlock(cpu, table)
        if reused:
            await self.k.page_writeback.folio_mark_dirty(folio)
        await self.m.unlock(MKWRITE_UNLOCK, self.page_locked, folio)
        await self.k.swap.folio_put(cpu, folio)

    async def wp_page_copy(self, cpu: int, mm: int, vma: int, addr: int, page: int, pte: int) -> None:
        """Copy ``page``, on which the caller has a reference, and map the copy in its place if
        nothing changed.
        """
        await self.k.rmap.anon_vma_prepare(vma)
        copy = await self.k.page_alloc.alloc_zeroed_folio(0)
        await self.copy_user_page(copy, page)
        special, old = bool(pte & SPECIAL), self.k.page_head(page)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        switched = False
        if table >= 0:
            ptep = self.k.pgtable.ptep(table, addr)
            switched = self.k.pgtable.pte_same(await self.m.load(RECHECK, self.pte, ptep), pte)
            if switched:
                await self._switch_to_copy(cpu, mm, vma, addr, ptep, old, page, copy, special)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        if not switched:
            await self.k.swap.folio_put(cpu, copy)
        if not special:
            for _ in range(1 + switched):
                await self.k.swap.folio_put(cpu, old)

    async def _switch_to_copy(
        self, cpu: int, mm: int, vma: int, addr: int, ptep: int, old: int, page: int, copy: int, special: bool
    ) -> None:
        """Clear and flush the old entry, map the copy, and only then remove the old mapping."""
        await self.count_copy(cpu, mm, old, special)
        await self.k.pgtable.ptep_clear_flush(cpu, mm, addr, ptep)
        await self.map_new_folio(cpu, vma, addr, ptep, copy, 1)
        if not special:
            await self.k.rmap.folio_remove_rmap_ptes(old, page, 1, vma)

    async def count_copy(self, cpu: int, mm: int, old: int, special: bool) -> None:
        """Count an anonymous page that takes the place of one of folio ``old``, or of the zero page
        if ``special``.
        """
        if not special and not self.k.mm_types.folio_test_anon(old):
            at = (cpu * self.w.mms + mm) * NR_MM_COUNTERS + self.k.mm_types.mm_counter_file(old)
            await self.m.add(RSS_MOVE, self.mm_rss, at, -1)
        if special or not self.k.mm_types.folio_test_anon(old):
            await self.add_rss(cpu, mm, MM_ANONPAGES, 1)
