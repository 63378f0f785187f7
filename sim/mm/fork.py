"""fork: dup_mmap (kernel/fork.c) and the batched copy_page_range (mm/memory.c), v6.9.

Lock order: parent's mmap_lock, child's mmap_lock, locks of the parent's VMAs, child's PTL, parent's
PTL. One flush of the
parent at the very end covers every write-protection; until then threads of the parent may write
through stale entries into pages that the child, which does not run yet, already shares. Left out:
pinned pages, VM_WIPEONFORK, device entries.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from sim.core.arena import Cells, Column
from sim.core.component import Component, index_of_ref
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import (
    DIRTY,
    KIND_MARKER,
    KIND_MASK,
    KIND_MIGRATION,
    KIND_SWAP,
    PRESENT,
    SPECIAL,
    UFFD_WP,
    WRITE,
    YOUNG,
    pte_pfn,
)
from sim.mm.mm_types import MM_ANONPAGES, MM_SWAPENTS, NR_MM_COUNTERS, VM_SHARED, VM_UFFD_WP

LOCK = site("dup_mmap", "lock parent mmap for writing")
LOCK_CHILD = site("dup_mmap", "lock child mmap for writing")
UNLOCK_CHILD = site("dup_mmap", "unlock child mmap")
UNLOCK = site("dup_mmap", "unlock parent mmap")
PUBLISH = site("copy_process", "publish child mm")
SRC_PMD = site("copy_pmd_range", "read pmd")
DST_PMD = site("copy_pte_range", "read child pmd")
DST_LOCK = site("copy_pte_range", "lock child ptl")
DST_UNLOCK = site("copy_pte_range", "unlock child ptl")
READ = site("copy_pte_range", "read pte")
REFS = site("copy_present_ptes", "take references")
RSS = site("copy_pte_range", "fold rss")
SET_NONPRESENT = site("copy_nonpresent_pte", "set entry")
SWAP_DUP = site("copy_nonpresent_pte", "raise swap count")

PROGRESS_MAX = 32
"""Units of work after which copy_pte_range may pause to let others run; an empty entry is one unit,
a page is eight.
"""


@dataclass
class Copy:
    """What copy_pte_range keeps on its stack."""

    cpu: int
    src_mm: int
    dst_mm: int
    src_vma: int
    src_table: int
    dst_table: int
    rss: list[int]


class Fork(Component):
    """Copies an address space."""

    name = "fork"

    mmap_lock: Column
    mm_users: Column
    mm_order: Cells
    mm_rss: Column
    pmd: Column
    pte: Column
    ptl: Column
    vma_flags: Cells
    vma_start: Cells
    vma_end: Cells
    vma_anon_vma: Cells
    vma_attached: Cells
    page_ref: Column
    page_order: Cells
    swap_map: Column

    async def dup_mmap(self, cpu: int, src: int, dst: int, may_fail: bool = False) -> bool:
        """Copy mm ``src`` into the unused mm ``dst`` and publish it; return True.

        If it ``may_fail``, memory may run out after any VMA, which is drawn: ``dst`` is taken down
        again then, and the result is False.
        """
        await self.m.down_write(LOCK, self.mmap_lock, src)
        await self.m.down_write(LOCK_CHILD, self.mmap_lock, dst)
        self.mm_order[dst] = self.mm_order[src]
        for vma in self.k.mm_types.vmas_in(src, 0, self.w.vpages):
            await self.dup_vma(cpu, vma, src, dst)
            if may_fail and self.m.draw("GFP_KERNEL in fork fails", 2):
                await self.fail_dup_mmap(cpu, src, dst)
                return False
        await self.finish_and_publish(cpu, src, dst)
        return True

    async def finish_and_publish(self, cpu: int, src: int, dst: int) -> None:
        """End a dup_mmap that has succeeded, and only then let the child run."""
        await self.finish_dup_mmap(cpu, src, dst)
        await self.publish(dst)

    async def fail_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """End a dup_mmap that has failed, and let exit_mmap take down what is there of the child
        (mmput, in dup_mm).
        """
        await self.finish_dup_mmap(cpu, src, dst)
        await self.k.mmap.exit_mmap(cpu, dst)

    async def finish_dup_mmap(self, cpu: int, src: int, dst: int) -> None:
        """Unlock the child, flush the parent, unlock the parent: the end of dup_mmap, in its
        order.
        """
        await self.m.up_write(UNLOCK_CHILD, self.mmap_lock, dst)
        await self.flush_parent(cpu, src)
        await self.k.mmap_lock.mmap_write_unlock(UNLOCK, src)

    def publish(self, dst: int) -> Coroutine[Any, Any, None]:
        """Let the child's thread run (copy_process)."""
        return self.m.store(PUBLISH, self.mm_users, dst, 1)

    async def dup_vma(self, cpu: int, vma: int, src: int, dst: int) -> None:
        """Duplicate one VMA: link it to the reverse map, then copy its page tables."""
        await self.write_lock(vma)
        child = await self.k.mmap.vm_area_dup(vma, dst)
        await self.k.rmap.vma_link(child)
        await self.k.mmap_lock.vma_mark_attached(child)
        self.vma_attached[child] = 1
        if self.vma_needs_copy(vma):
            await self.copy_page_range(cpu, vma, src, dst)
        self.k.checks.forked(vma, src, dst)

    def write_lock(self, vma: int) -> Coroutine[Any, Any, None]:
        """Keep faults out of a VMA of the parent until its TLBs are flushed, as its pages become
        shared (vma_start_write in dup_mmap).
        """
        return self.k.mmap_lock.vma_start_write(vma)

    def flush_parent(self, cpu: int, mm: int) -> Coroutine[Any, Any, None]:
        """Flush what was write-protected."""
        return self.k.tlbflush.flush_tlb_mm(cpu, mm)

    def vma_needs_copy(self, vma: int) -> bool:
        """Return whether page tables must be copied: file pages can be faulted in again."""
        return bool(self.vma_anon_vma[vma] or self.vma_flags[vma] & VM_UFFD_WP)

    async def copy_page_range(self, cpu: int, vma: int, src: int, dst: int) -> None:
        """Copy the page tables of a VMA, one table at a time (copy_p4d_range to copy_pmd_range)."""
        addr, end = self.vma_start[vma], self.vma_end[vma]
        while addr < end:
            stop = min(end, (addr // self.g.ptrs_per_pte + 1) * self.g.ptrs_per_pte)
            if await self.m.load(SRC_PMD, self.pmd, self.k.pgtable.pmd_index(src, addr)):
                if not await self.m.load(DST_PMD, self.pmd, self.k.pgtable.pmd_index(dst, addr)):
                    await self.k.pgtable.pte_alloc(cpu, dst, addr)
                await self.copy_pte_range(cpu, vma, src, dst, addr, stop)
            addr = stop

    async def copy_pte_range(self, cpu: int, vma: int, src: int, dst: int, addr: int, end: int) -> None:
        """Copy [addr, end) of one table, with both PTLs held; they may be dropped on the way to let
        others run.
        """
        while addr < end:
            addr = await self.copy_ptes(cpu, vma, src, dst, addr, end)

    async def copy_ptes(self, cpu: int, vma: int, src: int, dst: int, addr: int, end: int) -> int:
        """Copy [addr, end) under one hold of the PTLs; return how far it came (a round of
        copy_pte_range).
        """
        dst_table = index_of_ref(await self.m.load(DST_PMD, self.pmd, self.k.pgtable.pmd_index(dst, addr)))
        await self.m.lock(DST_LOCK, self.ptl, dst_table)
        src_table = await self.k.pgtable.pte_offset_map_lock(cpu, src, addr)
        await self.k.pgtable.arch_enter_lazy_mmu_mode(cpu)
        copy = Copy(cpu, src, dst, vma, src_table, dst_table, [0] * NR_MM_COUNTERS)
        resched, progress = bool(self.m.draw("need_resched in fork", 2)), 0
        while addr < end and not self.pauses(resched, progress):
            pte = await self.k.pgtable.ptep_get(self.k.pgtable.ptep(src_table, addr), READ)
            nr = 1
            if pte & PRESENT:
                nr = await self.copy_present_ptes(copy, addr, pte, self.copy_limit(copy, addr, end))
            elif pte:
                await self.copy_nonpresent_pte(copy, addr, pte)
            addr += nr
            progress += 8 * nr if pte else 1
        await self.finish_copy_ptes(copy)
        return addr

    def pauses(self, resched: bool, progress: int) -> bool:
        """Return whether the scan stops to let others run, after ``progress`` units of work
        (progress >= 32).
        """
        return resched and progress >= PROGRESS_MAX

    def copy_limit(self, copy: Copy, addr: int, end: int) -> int:
        """Return how many entries a batch at ``addr`` may have: up to the end of the range
        (max_nr).
        """
        return end - addr

    async def finish_copy_ptes(self, copy: Copy) -> None:
        """Leave lazy MMU mode, drop the parent's PTL, fold RSS, drop the child's PTL: the end of
        copy_pte_range, in its order.
        """
        await self.k.pgtable.arch_leave_lazy_mmu_mode(copy.cpu)
        await self.k.pgtable.pte_unmap_unlock(copy.cpu, copy.src_table)
        for member, count in enumerate(copy.rss):
            if count:
                at = (copy.cpu * self.w.mms + copy.dst_mm) * NR_MM_COUNTERS + member
                await self.m.add(RSS, self.mm_rss, at, count)
        await self.m.unlock(DST_UNLOCK, self.ptl, copy.dst_table)

    async def copy_nonpresent_pte(self, copy: Copy, addr: int, pte: int) -> None:
        """Copy a swap or migration entry or a marker."""
        kind = pte & KIND_MASK
        if kind == KIND_SWAP:
            await self.m.add(SWAP_DUP, self.swap_map, pte_pfn(pte), 1)
            copy.rss[MM_SWAPENTS] += 1
        elif kind == KIND_MIGRATION:
            copy.rss[self.k.mm_types.mm_counter(self.k.page_head(pte_pfn(pte)))] += 1
        elif kind == KIND_MARKER and not self.vma_flags[copy.src_vma] & VM_UFFD_WP:
            return
        await self.m.store(SET_NONPRESENT, self.pte, self.k.pgtable.ptep(copy.dst_table, addr), pte)

    async def copy_present_ptes(self, copy: Copy, addr: int, pte: int, max_nr: int) -> int:
        """Copy the entry at ``addr`` and those that batch with it; return how many."""
        src = self.k.pgtable.ptep(copy.src_table, addr)
        if pte & SPECIAL:
            await self._install(copy, addr, src, pte, 1)
            return 1
        page = pte_pfn(pte)
        folio, entries, nr = self.k.page_head(page), [pte], 1
        if self.page_order[folio] and max_nr != 1:
            ignore = DIRTY if self.vma_flags[copy.src_vma] & VM_SHARED else 0
            nr = await self.k.memory.folio_pte_batch(folio, src, pte, max_nr, ignore, entries)
        await self.m.add(REFS, self.page_ref, folio, nr, TRANSIENT)
        if self.k.mm_types.folio_test_anon(folio):
            await self.k.rmap.folio_try_dup_anon_rmap_ptes(folio, page, nr, copy.dst_mm)
            copy.rss[MM_ANONPAGES] += nr
        else:
            await self.k.rmap.folio_dup_file_rmap_ptes(folio, page, nr, copy.dst_mm)
            copy.rss[self.k.mm_types.mm_counter_file(folio)] += nr
        if any(entry & WRITE for entry in entries):
            pte |= WRITE
        await self._install(copy, addr, src, pte, nr)
        return nr

    async def _install(self, copy: Copy, addr: int, src: int, pte: int, nr: int) -> None:
        """Write-protect the parent's entries of a private mapping, and set the child's
        (__copy_present_ptes).
        """
        flags = self.vma_flags[copy.src_vma]
        if self.k.mm_types.is_cow_mapping(copy.src_vma) and pte & WRITE:
            await self.wrprotect_parent(copy, addr, src, nr)
            pte = self.pte_wrprotect(pte)
        if flags & VM_SHARED:
            pte &= ~DIRTY
        pte &= ~YOUNG
        if not flags & VM_UFFD_WP:
            pte &= ~UFFD_WP
        dst = self.k.pgtable.ptep(copy.dst_table, addr)
        await self.k.pgtable.set_ptes(copy.cpu, copy.dst_mm, addr, dst, self.k.pgtable.fresh(pte), nr)

    def pte_wrprotect(self, pte: int) -> int:
        """Return what the child is given in place of a writable entry of a private mapping."""
        return pte & ~WRITE

    def wrprotect_parent(self, copy: Copy, addr: int, src: int, nr: int) -> Coroutine[Any, Any, None]:
        """Take write permission from the parent's entries."""
        return self.k.pgtable.wrprotect_ptes(copy.cpu, copy.src_mm, addr, src, nr)
