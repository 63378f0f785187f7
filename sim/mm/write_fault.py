"""Write faults on present entries, and how a fault maps a fresh anonymous page (mm/memory.c, v6.9).

:class:`WriteFault` is the half of :class:`~sim.mm.page_fault.PageFault` that replaces or reuses
what is mapped. Lock order: folio lock, PTL; it is entered under the PTL and drops it. Left out: the
swap cache, userfaultfd events.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import DIRTY, SPECIAL, UFFD_WP, WRITE, YOUNG, make_pte, pte_pfn
from sim.mm.mm_types import MM_ANONPAGES, NR_MM_COUNTERS, VM_SHARED, VM_UFFD_WP, VM_WRITE

RECHECK = site("handle_pte_fault", "re-read pte under ptl")
RSS = site("handle_mm_fault", "raise rss")
RSS_MOVE = site("wp_page_copy", "move rss")
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


class WriteFault(Component):
    """Gives a process a page that it may write to."""

    name = "page_fault"

    pte: Column
    mm_rss: Column
    mm_tlb_flush_pending: Column
    vma_flags: Cells
    page_ref: Column
    page_order: Cells
    page_content: Column
    page_anon_exclusive: Column
    page_locked: Column
    page_lru: Column

    # -- a fresh page ----------------------------------------------------------------------------------------------

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

    def _new_bits(self, vma: int) -> int:
        return YOUNG | (WRITE | DIRTY if self.vma_flags[vma] & VM_WRITE else 0)

    def _wp_bits(self, vma: int, orig: int, bits: int) -> int:
        """Return ``bits``, write-protected by userfaultfd if ``orig`` is a marker that says so
        (pte_mkuffd_wp).
        """
        return bits & ~WRITE | UFFD_WP if orig and self.vma_flags[vma] & VM_UFFD_WP else bits

    def add_rss(self, cpu: int, mm: int, member: int, nr: int) -> Coroutine[Any, Any, int]:
        """Raise one RSS counter on this CPU."""
        return self.m.add(RSS, self.mm_rss, (cpu * self.w.mms + mm) * NR_MM_COUNTERS + member, nr)

    async def copy_user_page(self, copy: int, page: int) -> None:
        """Copy the content of ``page`` to ``copy``, which is private to the fault."""
        await self.m.store(COPY_WRITE, self.page_content, copy, await self.m.load(COPY_READ, self.page_content, page))

    async def vmf_anon_prepare(self, cpu: int, vma: int) -> bool:
        """Give ``vma`` an anon_vma if it has none.

        Return False if that cannot be done under the VMA's lock, which has been dropped then: the
        fault is handled again under the mmap lock (VM_FAULT_RETRY).
        """
        if self.k.mmap_lock.vma_locked[cpu]:
            return not await self.k.rmap.lacks_anon_vma(vma) or await self.prepare_without_mmap_lock(cpu, vma)
        await self.k.rmap.anon_vma_prepare(vma)
        return True

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """Give up, as neighbours are looked at for an anon_vma (6.9)."""
        await self.k.mmap_lock.release_vma(cpu)
        return False

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
        if self.may_mkwrite(vma, folio) and await self.finish_mkwrite_fault(cpu, mm, addr, pte):
            await self.k.page_writeback.folio_mark_dirty(folio)
        await self.m.unlock(MKWRITE_UNLOCK, self.page_locked, folio)
        await self.k.swap.folio_put(cpu, folio)

    def may_mkwrite(self, vma: int, folio: int) -> bool:
        """Return whether a folio that was locked is still the file's (do_page_mkwrite)."""
        return self.k.filemap.in_cache(self.k.mm_types.file_of(vma), folio)

    async def finish_mkwrite_fault(self, cpu: int, mm: int, addr: int, pte: int) -> bool:
        """Make the entry writable under the PTL, if it is still what it was; return whether it
        was.
        """
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        ptep = self.k.pgtable.ptep(table, addr)
        if not self.k.pgtable.pte_same(await self.m.load(RECHECK, self.pte, ptep), pte):
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
            return False
        await self.wp_page_reuse(cpu, mm, addr, table, pte)
        return True

    async def wp_page_copy(self, cpu: int, mm: int, vma: int, addr: int, page: int, pte: int) -> None:
        """Copy ``page``, on which the caller has a reference, and map the copy in its place if
        nothing changed.
        """
        special, old = bool(pte & SPECIAL), self.k.page_head(page)
        if not await self.vmf_anon_prepare(cpu, vma):
            if not special:
                await self.k.swap.folio_put(cpu, old)
            return
        copy = await self.k.page_alloc.alloc_zeroed_folio(0)
        await self.copy_user_page(copy, page)
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
