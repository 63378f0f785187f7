"""ppc64 book3s, radix and hash (arch/powerpc/mm/book3s64/, include/asm/book3s/64/tlbflush-hash.h,
v6.9).

Radix walks Linux page tables and flushes by page or by address space with tlbie: locally if only
this CPU runs the mm, else everywhere; walk caches only go when tables were freed.

Hash does not walk them: a hash fault copies a PTE into a hash entry, under a busy bit, and marks
the PTE. Clearing or protecting a marked PTE queues an invalidation; in lazy MMU mode they are
batched per CPU, and leaving the mode, still under the PTL, flushes the batch. So a gather's flush
has nothing left to do.

A hash fault is kernel code with interrupts off, not half an instruction: tlbie does not wait for
it. What keeps it from filling a stale entry is the busy bit, for which every change of the PTE
waits.

What a CPU has of a hash entry is its TLB cell here: the hash table and the TLBs are one thing to
the model. Left out: coprocessors, H_PAGE_COMBO, mixed segment sizes, trimming of the CPU mask.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from sim.core.arena import PRIVATE, Cells, Field, bits_for
from sim.core.component import index_of_ref
from sim.core.machine import site
from sim.core.profile import Profile, kernel_geometry, small_geometry
from sim.core.pte import BUSY, DIRTY, HASHPTE, PRESENT, WRITE, YOUNG
from sim.hardware.tlb import ALL, BROADCAST, FAULT, Tlb
from sim.hardware.tlbflush import MASK, TlbFlush
from sim.mm.pgtable import ACCESS_FLAGS, CLEAR, CLEAR_YOUNG, WRPROTECT, Pgtable

READ_PTE = site("pte_update", "read pte")
BUSY_WAIT = site("pte_update", "wait for H_PAGE_BUSY")
HASH_PMD = site("hash_page", "read pmd")
HASH_PTE = site("hash_page", "read pte")
HASH_BUSY = site("hash_page", "set busy, hashed, accessed and dirty")
HASH_DONE = site("hash_page", "clear busy")


class RadixTlbFlush(TlbFlush):
    """tlbie, or tlbiel where only this CPU runs the mm."""

    async def targets(self, cpu: int, mm: int) -> list[int]:
        if await self.m.load(MASK, self.mm_cpumask, mm) == 1 << cpu:
            return []
        return await super().targets(cpu, mm)

    async def tlb_flush(self, tlb: int) -> None:
        """Invalidate a whole mm with its walk caches (RIC 2), a range with walk caches only if
        tables were freed.
        """
        if self.gather_fullmm[tlb]:
            await self.flush(tlb, self.gather_mm[tlb], 0, ALL, True)
        else:
            await super().tlb_flush(tlb)

    def flush_tlb_mm(self, cpu: int, mm: int) -> Coroutine[Any, Any, None]:
        """Invalidate every translation; walk caches stay (radix__flush_tlb_mm)."""
        return self.flush(cpu, mm, 0, ALL, False)

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Invalidate by page, or by PID if there are too many; walk caches only if ``tables``."""
        start, end = (0, ALL) if self.too_many(end - start) else (start, end)
        await self.flush(cpu, mm, start, end, tables)


class HashPgtable(Pgtable):
    """PTE updates that invalidate the hash entry."""

    bookkeeping = HASHPTE | BUSY

    lazy_active: Cells
    lazy_nr: Cells
    lazy_mm: Cells
    lazy_addr: Cells

    def fields(self) -> list[Field]:
        cpus, batch = self.w.cpus, self.g.lazy_mmu_batch
        return [
            *(replace(field, waitable=True) if field.name == "pte" else field for field in super().fields()),
            Field("lazy_active", cpus, PRIVATE, bits=1),
            Field("lazy_nr", cpus, PRIVATE, bits=bits_for(batch)),
            Field("lazy_mm", cpus * batch, PRIVATE, bits=bits_for(self.w.mms - 1)),
            Field("lazy_addr", cpus * batch, PRIVATE, bits=bits_for(self.w.vpages)),
        ]

    async def pte_update(
        self, cpu: int, mm: int, addr: int, ptep: int, where: int, change: Callable[[int], int]
    ) -> int:
        """Change one entry, once no hash fault is at work on it; then see to its hash entry.

        Return the old value.
        """
        pte = self.pte
        while True:
            old = await self.m.rmw(where, pte, ptep, lambda v: v if self.is_busy(v) else change(v))
            if not self.is_busy(old):
                break
            await self.m.wait(BUSY_WAIT, pte, ptep, lambda: not pte.view[ptep] & BUSY)
        if old & HASHPTE:
            await self.hpte_need_flush(cpu, mm, addr)
        return old & ~HASHPTE

    def is_busy(self, pte: int) -> bool:
        """Return whether a change of an entry waits: while a hash fault is at work on it
        (H_PAGE_BUSY).
        """
        return bool(pte & BUSY)

    async def hpte_need_flush(self, cpu: int, mm: int, addr: int) -> None:
        """Queue the invalidation in lazy MMU mode, flushing a full batch; else invalidate now."""
        if not self.lazy_active[cpu]:
            await self.k.tlbflush.flush(cpu, mm, addr, addr + 1, False)
            return
        at = cpu * self.g.lazy_mmu_batch + self.lazy_nr[cpu]
        self.lazy_mm[at], self.lazy_addr[at] = mm, addr
        self.lazy_nr[cpu] += 1
        if self.lazy_nr[cpu] == self.g.lazy_mmu_batch:
            await self.flush_lazy_batch(cpu)

    async def flush_lazy_batch(self, cpu: int) -> None:
        """Invalidate every queued hash entry (__flush_tlb_pending)."""
        first = cpu * self.g.lazy_mmu_batch
        for at in range(first, first + self.lazy_nr[cpu]):
            await self.k.tlbflush.flush(cpu, self.lazy_mm[at], self.lazy_addr[at], self.lazy_addr[at] + 1, False)
        self.lazy_nr[cpu] = 0

    async def arch_enter_lazy_mmu_mode(self, cpu: int) -> None:
        self.lazy_active[cpu] = 1

    async def arch_leave_lazy_mmu_mode(self, cpu: int) -> None:
        await self.flush_lazy_batch(cpu)
        self.lazy_active[cpu] = 0

    async def ptep_get_and_clear(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        return await self.pte_update(cpu, mm, addr, ptep, CLEAR, lambda pte: 0)

    async def ptep_get_and_clear_full(self, cpu: int, mm: int, addr: int, ptep: int, full: bool) -> int:
        """Clear atomically even if ``full``: a whole mm's entries are in the hash table too."""
        return await self.ptep_get_and_clear(cpu, mm, addr, ptep)

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        for k in range(nr):
            if await self.m.load(READ_PTE, self.pte, ptep + k) & WRITE:
                await self.pte_update(cpu, mm, addr + k, ptep + k, WRPROTECT, lambda pte: pte & ~WRITE)

    async def ptep_set_access_flags(self, cpu: int, mm: int, addr: int, ptep: int, old: int, new: int) -> None:
        wider, pte = new & (YOUNG | DIRTY | WRITE), self.pte
        while await self.m.rmw(ACCESS_FLAGS, pte, ptep, lambda v: v if v & BUSY else v | wider) & BUSY:
            await self.m.wait(BUSY_WAIT, pte, ptep, lambda: not pte.view[ptep] & BUSY)

    async def ptep_clear_young(self, cpu: int, mm: int, addr: int, ptep: int) -> bool:
        """Clear the young bit, and the hash entry with it (__ptep_test_and_clear_young)."""
        if not await self.m.load(READ_PTE, self.pte, ptep) & (YOUNG | HASHPTE):
            return False
        return bool(await self.pte_update(cpu, mm, addr, ptep, CLEAR_YOUNG, lambda pte: pte & ~YOUNG) & YOUNG)

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        return await self.ptep_get_and_clear(cpu, mm, addr, ptep)

    def fresh(self, pte: int) -> int:
        return pte & ~(HASHPTE | BUSY)


class HashTlb(Tlb):
    """Misses that the kernel serves from the Linux PTE (hash_page): without a lock, setting young
    and dirty as it takes the busy bit.
    """

    hash_ptep: Cells

    def _pending(self, cpu: int) -> Callable[[], bool]:
        request = self.cpu_request
        return lambda: self.answerable(cpu, request.view[cpu]) > 0

    def answerable(self, cpu: int, requests: int) -> int:
        """Return which of ``requests`` may be answered now: while interrupts are off, broadcasts
        alone; inside a RCU reader's section, all but RCU's.
        """
        if not self.irq_off[cpu]:
            return requests & ~self.rcu_request if self.rcu_nesting[cpu] else requests
        found = 0
        for initiator in range(self.w.cpus):
            if requests >> initiator & 1 and self.req_kind[initiator] == BROADCAST:
                found |= 1 << initiator
        return found

    def fields(self) -> list[Field]:
        entries = self.k.pgtable.table_slots * self.g.ptrs_per_pte
        return [*super().fields(), Field("hash_ptep", self.w.cpus, PRIVATE, bits=bits_for(entries))]

    async def walk(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        table = index_of_ref(await self.m.load(HASH_PMD, self.pmd, self.k.pgtable.pmd_index(mm, addr)))
        if table < 0:
            return FAULT
        ptep, want = self.k.pgtable.ptep(table, addr), PRESENT | (WRITE if store else 0)
        marks = BUSY | HASHPTE | YOUNG | (DIRTY if store else 0)
        column = self.pte
        self.hash_ptep[cpu] = ptep
        while True:
            pte = await self.m.load(HASH_PTE, column, ptep)
            if pte & want != want:
                return FAULT
            old = await self.m.rmw(
                HASH_BUSY, column, ptep, lambda v: v | marks if v & want == want and not v & BUSY else v
            )
            if not old & BUSY:
                self.k.checks.entry_read(cpu, old)
                return old | marks if old & want == want else FAULT
            await self.m.wait(BUSY_WAIT, column, ptep, lambda: not column.view[ptep] & BUSY)

    async def walk_done(self, cpu: int) -> None:
        await self.m.rmw(HASH_DONE, self.pte, self.hash_ptep[cpu], lambda pte: pte & ~BUSY)


class HashTlbFlush(TlbFlush):
    """Everything has been invalidated as PTEs changed: a gather's flush is empty."""

    async def tlb_flush(self, tlb: int) -> None:
        pgtable = self.k.pgtable
        assert isinstance(pgtable, HashPgtable)
        await pgtable.flush_lazy_batch(tlb)

    async def flush_tlb_mm(self, cpu: int, mm: int) -> None:
        """Do nothing (hash__flush_tlb_mm)."""

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Do nothing (hash__flush_tlb_range)."""


RADIX = kernel_geometry(65536, 32, flush_ceiling=33)
HASH = kernel_geometry(65536, 256, flush_ceiling=0, lazy_mmu_batch=192)

PROFILES = (
    Profile(
        "ppc64-radix",
        RADIX,
        small_geometry(RADIX),
        hardware_young=True,
        hardware_dirty=True,
        merge_vmas=True,
        page_size_tracking=True,
        components={"tlbflush": RadixTlbFlush},
        speculates=True,
        about="tlbie by page or address space, on this CPU alone if only it runs the mm; tables through RCU",
    ),
    Profile(
        "ppc64-hash",
        HASH,
        small_geometry(HASH),
        hardware_young=False,
        hardware_dirty=False,
        merge_vmas=True,
        page_size_tracking=True,
        flushes_ranges=False,
        walks_tables=False,
        components={"pgtable": HashPgtable, "tlb": HashTlb, "tlbflush": HashTlbFlush},
        about="a hash table in place of the page-table walk; invalidations batched in lazy MMU mode, "
        "so the gather flushes nothing",
    ),
)
