"""TLB flushing (include/asm-generic/tlb.h and the architectures' tlbflush.h, v6.9): the part that
is the same everywhere, a generic broadcast, and a generic flush by IPI.

A flush of other CPUs is never one step: the initiator posts a request to each target, invalidates
on its own CPU, then waits until every target has acknowledged.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, Cells, Column, Field, bits_for
from sim.core.component import Component, ref_to
from sim.core.machine import site
from sim.hardware.tlb import ALL, BROADCAST, IPI

MASK = site("flush_tlb", "read mm_cpumask")
SNOOP = site("flush_tlb", "read snoop filter")
SET_MASK = site("switch_mm", "set mm_cpumask")


class TlbFlush(Component):
    """Broadcast invalidation, as on arm64 and with ppc64's tlbie: every CPU that caches the mm
    takes part.
    """

    name = "tlbflush"

    broadcasts = True
    """Whether flushes reach every CPU that caches the mm; else they go to the CPUs that the kernel
    has noted in a mask.
    """

    cpu_mm: Cells
    mm_cpumask: Column
    tlb_holders: Column
    req_mm: Cells
    req_start: Cells
    req_end: Cells
    req_tables: Cells
    gather_mm: Cells
    gather_start: Cells
    gather_end: Cells
    gather_fullmm: Cells
    gather_freed_tables: Cells

    def fields(self) -> list[Field]:
        return [Field("cpu_mm", self.w.cpus, PRIVATE, bits=bits_for(self.w.mms))]

    # -- the interface ---------------------------------------------------------------------------------------------

    async def tlb_flush(self, tlb: int) -> None:
        """Invalidate what the gather has recorded."""
        mm, tables = self.gather_mm[tlb], bool(self.gather_freed_tables[tlb])
        if self.gather_fullmm[tlb]:
            await self.flush_tlb_mm(tlb, mm)
        else:
            await self.flush_range(tlb, mm, self.gather_start[tlb], self.gather_end[tlb], tables)

    def flush_tlb_mm(self, cpu: int, mm: int) -> Coroutine[Any, Any, None]:
        """Invalidate everything of ``mm``, walk caches too."""
        return self.flush(cpu, mm, 0, ALL, True)

    def flush_tlb_page(self, cpu: int, mm: int, addr: int) -> Coroutine[Any, Any, None]:
        """Invalidate one page's leaf entries."""
        return self.flush_range(cpu, mm, addr, addr + 1, False)

    async def flush_range(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Invalidate [start, end), or everything if that is more strides than the ceiling."""
        if self.too_many(end - start):
            await self.flush(cpu, mm, 0, ALL, True)
        else:
            await self.flush(cpu, mm, start, end, tables)

    def too_many(self, pages: int) -> bool:
        """Return whether a range is so long that everything is flushed instead."""
        return pages > self.g.flush_ceiling

    # -- how -------------------------------------------------------------------------------------------------------

    async def flush(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        """Post to every other CPU that caches the mm, invalidate here, wait."""
        targets = await self.targets(cpu, mm)
        await self.k.tlb.post(cpu, targets, BROADCAST, mm, start, end, 0, tables)
        await self.k.tlb.invalidate(cpu, mm, start, end, tables)
        await self.k.tlb.wait_acks(cpu, targets)

    async def targets(self, cpu: int, mm: int) -> list[int]:
        """Return the CPUs to post to.

        A CPU that caches nothing of the mm would acknowledge at once, and is left out.
        """
        holders = await self.m.load(SNOOP, self.tlb_holders, mm)
        return [c for c in range(self.w.cpus) if c != cpu and holders >> c & 1]

    async def flush_handler(self, cpu: int, initiator: int) -> None:
        """Carry a request out on ``cpu``."""
        start, end = self.req_start[initiator], self.req_end[initiator]
        if end > start:
            await self.k.tlb.invalidate(cpu, self.req_mm[initiator], start, end, bool(self.req_tables[initiator]))

    async def interrupt_all(self, cpu: int) -> None:
        """Interrupt every other CPU and wait: none is inside a section with interrupts off
        afterwards.
        """
        targets = [c for c in range(self.w.cpus) if c != cpu]
        await self.k.tlb.post(cpu, targets, IPI, 0, 0, 0, 0, False)
        await self.k.tlb.wait_acks(cpu, targets)

    # -- CPUs and address spaces -----------------------------------------------------------------------------------

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """Load ``mm`` on ``cpu``.

        Entries are tagged with their address space, so nothing is flushed.
        """
        await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
        self.cpu_mm[cpu] = ref_to(mm)

    async def enter_lazy_tlb(self, cpu: int) -> None:
        """A kernel thread borrows the mm that is loaded."""

    def usable(self, cpu: int, mm: int) -> bool:
        """Return whether ``cpu`` can still execute an access with a TLB entry of ``mm``."""
        return True

    def walks(self, cpu: int, mm: int) -> bool:
        """Return whether the hardware of ``cpu`` may walk tables of ``mm``, for an access or on
        speculation.
        """
        return self.usable(cpu, mm)


class IpiTlbFlush(TlbFlush):
    """Flushes that interrupt the CPUs in mm_cpumask (riscv; x86 adds generations)."""

    broadcasts = False

    async def targets(self, cpu: int, mm: int) -> list[int]:
        mask = await self.m.load(MASK, self.mm_cpumask, mm)
        return [c for c in range(self.w.cpus) if c != cpu and mask >> c & 1]

    async def flush(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        targets = await self.targets(cpu, mm)
        await self.k.tlb.post(cpu, targets, IPI, mm, start, end, 0, tables)
        await self.k.tlb.invalidate(cpu, mm, start, end, tables)
        await self.k.tlb.wait_acks(cpu, targets)
