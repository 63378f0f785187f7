"""s390x (arch/s390/mm/pgtable.c, include/asm/tlb.h, tlbflush.h, mmu_context.h, v6.9).

Clearing a PTE invalidates it in every TLB before the instruction ends (IPTE), unless only this CPU
is attached to the mm: then the entry is merely marked and the flush of this CPU is noted
(``flush_mm``), to be made up for before it runs user code again or another CPU attaches. So nothing
is gathered: pages are freed at once, under the PTL, and no rmap removal is delayed. Young and dirty
bits are software's.

The stale entry of the one attached CPU, which is inside the kernel, is legal until the noted flush.

An entry under IPTE is invalid but present until its new value is stored. What the hardware sees of
``_PAGE_INVALID`` is what it sees of an entry that is not young, so YOUNG is cleared here. The
kernel keeps its software bit: nobody reads that without the PTL, but to find out whether to take
it.
"""

from __future__ import annotations

from sim.core.arena import SPIN, Cells, Column, Field, bits_for
from sim.core.component import index_of_ref, ref_to
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.profile import Profile, kernel_geometry, small_geometry
from sim.core.pte import DIRTY, WRITE, YOUNG
from sim.hardware.tlb import ALL
from sim.hardware.tlbflush import TlbFlush
from sim.mm.mmu_gather import MmuGather
from sim.mm.pgtable import CLEAR, SET, Pgtable

ATTACH = site("switch_mm", "set cpu_attach_mask")
DETACH = site("switch_mm", "clear cpu_attach_mask")
READ_ATTACH = site("ptep_flush_lazy", "read cpu_attach_mask")
COUNT_UP = site("ptep_flush_lazy", "flush_count +1")
COUNT_DOWN = site("ptep_flush_lazy", "flush_count -1")
READ_PTE = site("ptep_set_wrprotect", "read pte")
READ_OLD = site("ptep_flush_lazy", "read pte")
IDTE_UP = site("__tlb_flush_mm", "flush_count +1")
IDTE_DOWN = site("__tlb_flush_mm", "flush_count -1")
INVALIDATE = site("ptep_flush_lazy", "invalidate pte")
NOTE = site("ptep_flush_lazy", "note flush_mm")
NOTE_TABLE = site("pte_free_tlb", "note flush_mm")
IPTE = site("ptep_flush_lazy", "invalidate pte and all TLBs")
CONTEXT_LOCK = site("__tlb_flush_mm_lazy", "lock context")
CONTEXT_UNLOCK = site("__tlb_flush_mm_lazy", "unlock context")
READ_NOTE = site("__tlb_flush_mm_lazy", "read flush_mm")
CLEAR_NOTE = site("__tlb_flush_mm_lazy", "clear flush_mm")
WAIT_COUNT = site("finish_arch_post_lock_switch", "wait for flush_count")


class S390Pgtable(Pgtable):
    """PTE changes that flush as they go."""

    context_flush_count: Column
    context_flush_mm: Column
    mm_cpumask: Column

    async def ptep_get_and_clear(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Clear one entry (ptep_xchg_lazy)."""
        pte = await self.ptep_flush_lazy(cpu, mm, addr, ptep)
        await self.m.store(CLEAR, self.pte, ptep, 0)
        return pte

    async def ptep_flush_lazy(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Invalidate one entry; if no other CPU has the mm attached, note the flush of this one.
        Return the entry: no TLB has one that is not young.
        """
        pte = await self.m.load(READ_OLD, self.pte, ptep)
        if not pte & YOUNG:
            return pte
        await self.m.add(COUNT_UP, self.context_flush_count, mm, 1)
        if await self.only_attached(cpu, mm):
            pte = await self.m.rmw(INVALIDATE, self.pte, ptep, lambda pte: pte & ~YOUNG)
            await self.m.store(NOTE, self.context_flush_mm, mm, 1)
        else:
            pte = await self.ipte(cpu, mm, addr, ptep)
        await self.m.add(COUNT_DOWN, self.context_flush_count, mm, -1)
        return pte

    async def only_attached(self, cpu: int, mm: int) -> bool:
        """Return whether no other CPU has the mm attached."""
        return await self.m.load(READ_ATTACH, self.mm_cpumask, mm) == 1 << cpu

    async def ipte(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Invalidate the entry, and what every TLB has of it, before going on; return what it
        held.
        """
        pte = await self.m.rmw(IPTE, self.pte, ptep, lambda pte: pte & ~YOUNG)
        await self.k.tlbflush.flush(cpu, mm, addr, addr + 1, False)
        return pte

    async def ptep_flush_direct(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Invalidate one entry in every TLB at once, never lazily; return it."""
        pte = await self.m.load(READ_OLD, self.pte, ptep)
        if not pte & YOUNG:
            return pte
        await self.m.add(COUNT_UP, self.context_flush_count, mm, 1)
        pte = await self.ipte(cpu, mm, addr, ptep)
        await self.m.add(COUNT_DOWN, self.context_flush_count, mm, -1)
        return pte

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Clear one entry that no TLB has any more (ptep_xchg_direct)."""
        pte = await self.ptep_flush_direct(cpu, mm, addr, ptep)
        await self.m.store(CLEAR, self.pte, ptep, 0)
        return pte

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        """Invalidate each writable entry (ptep_xchg_lazy), then store the protected value."""
        for k in range(nr):
            if await self.m.load(READ_PTE, self.pte, ptep + k) & WRITE:
                pte = await self.ptep_flush_lazy(cpu, mm, addr + k, ptep + k)
                await self.m.store(SET, self.pte, ptep + k, pte & ~WRITE, TRANSIENT)

    async def ptep_set_access_flags(self, cpu: int, mm: int, addr: int, ptep: int, old: int, new: int) -> None:
        """Flush the old entry, then store the wider one, as on a machine without RDP; nothing if it
        is as wide already. Hardware sets no bits here, so it is as it was read under the PTL.
        """
        if self.pte_same(old, new):
            return
        pte = await self.ptep_flush_direct(cpu, mm, addr, ptep)
        await self.m.store(SET, self.pte, ptep, pte | new & (YOUNG | DIRTY | WRITE), TRANSIENT)

    async def ptep_clear_young(self, cpu: int, mm: int, addr: int, ptep: int) -> bool:
        """Invalidate a young entry and store it old: the hardware must not use an old entry."""
        if not await self.m.load(READ_OLD, self.pte, ptep) & YOUNG:
            return False
        pte = await self.ptep_flush_direct(cpu, mm, addr, ptep)
        await self.m.store(SET, self.pte, ptep, pte & ~YOUNG, TRANSIENT)
        return True


class S390TlbFlush(TlbFlush):
    """Flushes of whole address spaces, noted and made up for."""

    context_lock: Column
    context_flush_mm: Column
    context_flush_count: Column
    mm_users: Column
    op: Cells

    def fields(self) -> list[Field]:
        mms = self.w.mms
        return [
            *super().fields(),
            Field("context_lock", mms, lock=SPIN, bits=bits_for(self.k.slots)),
            Field("context_flush_mm", mms, bits=1),
            Field("context_flush_count", mms, waitable=True),
        ]

    async def tlb_flush(self, tlb: int) -> None:
        await self.flush_mm_lazy(tlb, self.gather_mm[tlb])

    async def flush_tlb_mm(self, cpu: int, mm: int) -> None:
        await self.flush_mm_lazy(cpu, mm)

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        await self.flush_mm_lazy(cpu, mm)

    async def flush_tlb_page(self, cpu: int, mm: int, addr: int) -> None:
        """Do nothing: the change of the entry has flushed it."""

    async def flush_mm_lazy(self, cpu: int, mm: int) -> None:
        """Flush everything (IDTE) if a flush has been noted (__tlb_flush_mm_lazy)."""
        await self.m.lock(CONTEXT_LOCK, self.context_lock, mm)
        if await self.m.load(READ_NOTE, self.context_flush_mm, mm):
            await self.m.store(CLEAR_NOTE, self.context_flush_mm, mm, 0)
            await self.m.add(IDTE_UP, self.context_flush_count, mm, 1)
            await self.flush(cpu, mm, 0, ALL, True)
            await self.m.add(IDTE_DOWN, self.context_flush_count, mm, -1)
        await self.m.unlock(CONTEXT_UNLOCK, self.context_lock, mm)

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """Attach to ``mm``, detach from the last mm, wait until no CPU is between its look at the
        mask and its note, then make up for a flush that has been noted.
        """
        prev, self.cpu_mm[cpu] = index_of_ref(self.cpu_mm[cpu]), 0
        await self.m.rmw(ATTACH, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
        if prev not in (-1, mm):
            await self.m.rmw(DETACH, self.mm_cpumask, prev, lambda mask: mask & ~(1 << cpu))
        await self.wait_for_notes(mm)
        await self.flush_mm_lazy(cpu, mm)
        self.cpu_mm[cpu] = ref_to(mm)

    async def wait_for_notes(self, mm: int) -> None:
        """Wait until nobody is between its look at the mask and its note (``while
        (atomic_read(&mm->context.flush_count)) cpu_relax()``).
        """
        count = self.context_flush_count
        await self.m.wait(WAIT_COUNT, count, mm, lambda: count.view[mm] == 0)

    def usable(self, cpu: int, mm: int) -> bool:
        """Return whether user code on ``cpu`` could hit an entry of ``mm``: not inside the kernel
        while a flush is noted.

        A CPU makes up for a noted flush before it runs user code again; if another CPU is doing so,
        it waits for that CPU's lock. No thread runs a dead mm.
        """
        noted = self.context_flush_mm.view[mm] or self.context_lock.view[mm]
        return self.cpu_mm[cpu] == ref_to(mm) and self.mm_users.view[mm] > 0 and not (noted and self.op[cpu])


class S390MmuGather(MmuGather):
    """Table freeing notes a flush (pte_free_tlb in include/asm/tlb.h)."""

    context_flush_mm: Column

    async def pte_free_tlb(self, tlb: int, table: int, addr: int) -> None:
        await self.m.store(NOTE_TABLE, self.context_flush_mm, self.gather_mm[tlb], 1)
        await super().pte_free_tlb(tlb, table, addr)


REAL = kernel_geometry(4096, 256, flush_ceiling=0)

PROFILES = (
    Profile(
        "s390x",
        REAL,
        small_geometry(REAL),
        hardware_young=False,
        hardware_dirty=False,
        merge_vmas=True,
        gathers=False,
        delays_rmap=False,
        flushes_ranges=False,
        versions={"7.3": {"reclaims_pt": True}},
        components={"pgtable": S390Pgtable, "tlbflush": S390TlbFlush, "mmu_gather": S390MmuGather},
        speculates=True,
        about="clearing a PTE invalidates it; pages are freed at once, nothing is gathered; "
        "software young and dirty bits",
    ),
)
