"""Processors: TLBs, page walkers, user accesses, and the arrival of flush requests.

A TLB is a dense array of entries per CPU, address space and page; a spanning entry (contpte) lives
in a second array with a cell per block; a third holds the walk cache, a row per PMD slot. An access
is made of steps of its CPU's own actor: a hit is one step; a miss reads (and marks) the PTE, fills,
and accesses. While a miss is in flight its CPU answers no flush request: an instruction is not
interrupted half-way, and a barrier waits for it.

A flush request is a bit that an initiator sets in a target's word; the target's hardware actor
carries it out in steps and clears the bit, which is the acknowledgement. An IPI keeps the target's
thread from running meanwhile, a broadcast invalidation does not. A thread that is blocked or has
finished still has its requests answered.

Sources: Intel SDM 3A 4.10, Arm ARM D8, and the architectures' flush code in Linux 6.9.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.core.arena import MACHINE, PRIVATE, SECTION, Cells, Column, Field, alike, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.machine import Actor, site
from sim.core.pte import CONT, DIRTY, PFN_SHIFT, PRESENT, SPECIAL, WRITE, YOUNG

LOAD = site("user_load", "load through TLB")
STORE = site("user_store", "store through TLB")
WALK_PMD = site("hardware_walk", "read pmd")
WALK_PTE = site("hardware_walk", "read pte")
WALK_MARK = site("hardware_walk", "set accessed and dirty")
FILL_WALK = site("hardware_walk", "fill walk cache")
FILL = site("hardware_walk", "fill TLB")
POST = site("post_flush", "post request")
ACK_WAIT = site("post_flush", "wait for acknowledgement")
HANDLE = site("flush_interrupt", "take request")
ACK = site("flush_interrupt", "acknowledge")
REPORT = site("rcu_report_qs_rdp", "report quiescent state")
HOLD = site("hardware_walk", "enter snoop filter")
LET_GO = site("invalidate", "leave snoop filter")
INVALIDATE = site("invalidate", "drop TLB entry")
INVALIDATE_WALK = site("invalidate", "drop walk cache entry")

FAULT = -1
IPI, BROADCAST = 1, 2
ALL = 1 << 30
"""End of a flush of everything."""

STORE_NEEDS = PRESENT | WRITE | DIRTY


class Tlb(Component):
    """The CPUs' translation hardware."""

    name = "tlb"

    tlb: Column
    tlb_span: Column
    walk_cache: Column
    irq_off: Cells
    cpu_request: Column
    tlb_holders: Column
    caching: Cells
    cpu_mm: Cells
    speculation: Cells
    """How often each CPU may still fill something on speculation."""
    req_kind: Cells
    req_mm: Cells
    req_start: Cells
    req_end: Cells
    req_gen: Cells
    req_tables: Cells
    pmd: Column
    pte: Column
    page_content: Column
    rcu_nesting: Cells
    sections: Cells
    """Sections, with interrupts off or of RCU readers, that each CPU has left: for the checkers."""

    def fields(self) -> list[Field]:
        cpus, rows = self.w.cpus, self.w.cpus * self.w.mms
        self.per_mm = self.k.pgtable.per_mm
        spans, entry = self.w.vpages // self.g.contpte if self.g.contpte > 1 else 0, self.k.pgtable.entry_bits
        return [
            Field("tlb", rows * self.w.vpages, bits=entry),
            Field("tlb_span", rows * spans, bits=entry),
            Field("walk_cache", rows * self.per_mm, bits=bits_for(self.k.pgtable.table_slots)),
            Field("tlb_holders", self.w.mms, bits=cpus),
            Field("caching", rows, PRIVATE, bits=1),
            *alike(("irq_off", "rcu_nesting"), cpus, PRIVATE, waitable=True),
            Field("speculation", cpus, PRIVATE, bits=bits_for(self.w.speculation)),
            Field("sections", cpus, MACHINE, decides=SECTION),
            Field("cpu_request", cpus, waitable=True, bits=cpus + 1),
            Field("req_kind", cpus, PRIVATE, bits=bits_for(BROADCAST)),
            Field("req_mm", cpus, PRIVATE, bits=bits_for(self.w.mms - 1)),
            *alike(("req_start", "req_end"), cpus, PRIVATE, bits=bits_for(ALL)),
            Field("req_gen", cpus, PRIVATE),
            Field("req_tables", cpus, PRIVATE, bits=1),
        ]

    def bind(self) -> None:
        super().bind()
        self.irqs, self.readers = self.k.arena["irq_off"], self.k.arena["rcu_nesting"]
        self.rcu_request = 1 << self.w.cpus

    # -- cells ----------------------------------------------------------------------------------------------------

    def cell(self, cpu: int, mm: int, addr: int) -> int:
        """Return the index into ``tlb``."""
        return (cpu * self.w.mms + mm) * self.w.vpages + addr

    def span_cell(self, cpu: int, mm: int, addr: int) -> int:
        """Return the index into ``tlb_span`` of the block that holds ``addr``."""
        return (cpu * self.w.mms + mm) * (self.w.vpages // self.g.contpte) + addr // self.g.contpte

    def walk_cell(self, cpu: int, mm: int, addr: int) -> int:
        """Return the index into ``walk_cache``."""
        return (cpu * self.w.mms + mm) * self.per_mm + addr // self.g.ptrs_per_pte

    def local_irq_save(self, cpu: int) -> None:
        """Hold off flush requests on ``cpu``, until :meth:`local_irq_restore`."""
        self._nest(self.irqs, cpu, 1)

    def local_irq_restore(self, cpu: int) -> None:
        """Let flush requests on ``cpu`` in again."""
        self._nest(self.irqs, cpu, -1)

    def rcu_read_lock(self, cpu: int) -> None:
        """Enter an RCU reader's section on ``cpu``."""
        self._nest(self.readers, cpu, 1)

    def rcu_read_unlock(self, cpu: int) -> None:
        """Leave it."""
        self._nest(self.readers, cpu, -1)

    def _nest(self, column: Column, cpu: int, delta: int) -> None:
        """Change a nesting word of this CPU, and tell its hardware, which waits for it, if there
        are requests.
        """
        value = column.view[cpu] + delta
        if not value:
            self.sections[cpu] += 1
        if self.cpu_request.view[cpu] or self.speculation[cpu]:
            self.m.poke(column, cpu, value)
        else:
            column.view[cpu] = value

    # -- a user access --------------------------------------------------------------------------------------------

    async def user_access(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        """Load or store one word of page ``addr``; return the content's version, or FAULT."""
        version = await self._hit(cpu, mm, addr, store)
        if version >= 0:
            return version
        self.local_irq_save(cpu)
        await self.hold(cpu, mm)
        pte = await self.walk(cpu, mm, addr, store)
        if pte >= 0:
            await self.fill(cpu, mm, addr, pte)
            await self.walk_done(cpu)
            version = await self._hit(cpu, mm, addr, store)
        elif self.profile.fault_invalidates:
            await self.invalidate(cpu, mm, addr, addr + 1, True)
        self.local_irq_restore(cpu)
        return version

    async def fault_again(self, cpu: int, mm: int, addr: int) -> None:
        """Take the same fault again and again, as long as nothing but a flush can end it: never, as
        tables stay, or a fault drops what its CPU has cached.
        """

    async def _hit(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        need = STORE_NEEDS if store else PRESENT
        where = STORE if store else LOAD
        if self.g.contpte > 1:
            span = self.span_cell(cpu, mm, addr)
            if self.tlb_span.view[span] & need == need:
                return await self.m.access(
                    where, self.tlb_span, span, need, addr % self.g.contpte, self.page_content, store
                )
        return await self.m.access(where, self.tlb, self.cell(cpu, mm, addr), need, 0, self.page_content, store)

    async def prefetch(self, cpu: int, mm: int, addr: int) -> None:
        """Walk and fill on speculation, with no access: no page gets dirty, and nothing faults."""
        self.local_irq_save(cpu)
        await self.hold(cpu, mm)
        pte = await self.walk(cpu, mm, addr, False)
        if pte >= 0:
            await self.fill(cpu, mm, addr, pte)
            await self.walk_done(cpu)
        self.local_irq_restore(cpu)

    async def walk(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        """Return the PTE that translates ``addr``, marked as hardware marks it, or FAULT."""
        row = self.walk_cell(cpu, mm, addr)
        table = index_of_ref(self.walk_cache.view[row])
        if table < 0:
            table = index_of_ref(await self.m.load(WALK_PMD, self.pmd, self.k.pgtable.pmd_index(mm, addr)))
            if table < 0:
                return FAULT
            await self.m.store(FILL_WALK, self.walk_cache, row, ref_to(table))
        ptep = self.k.pgtable.ptep(table, addr)
        pte = await self.m.load(WALK_PTE, self.pte, ptep)
        self.k.checks.walked(cpu, mm, addr, table)
        want = self.walk_bits(pte, store)
        if pte & want != want and (self.profile.hardware_young or self.profile.hardware_dirty):
            pte = await self._mark(cpu, mm, addr, table, want)
        return pte if pte & want == want else FAULT

    def walk_bits(self, pte: int, store: bool) -> int:
        """Return the bits that an entry must have before the walker may use it."""
        return PRESENT | YOUNG | (WRITE | DIRTY if store else 0)

    async def _mark(self, cpu: int, mm: int, addr: int, table: int, want: int) -> int:
        """Set young and dirty as far as this profile's hardware does; return the entry that
        results.
        """
        settable = (YOUNG if self.profile.hardware_young else 0) | (DIRTY if self.profile.hardware_dirty else 0)
        fixed = want & ~settable

        def mark(pte: int) -> int:
            return pte | want & settable if pte & fixed == fixed else pte

        ptep = self.k.pgtable.ptep(table, addr)
        old = await self.m.rmw(WALK_MARK, self.pte, ptep, mark)
        self.k.checks.walked(cpu, mm, addr, table)
        return mark(old)

    async def fill(self, cpu: int, mm: int, addr: int, pte: int) -> None:
        """Store the translation: a spanning entry for a contiguous block, else one for the page."""
        entry = pte >> PFN_SHIFT << PFN_SHIFT | pte & (PRESENT | SPECIAL)
        if pte & WRITE:
            entry |= pte & (WRITE | DIRTY)
        if pte & CONT:
            entry -= addr % self.g.contpte << PFN_SHIFT
            await self.m.store(FILL, self.tlb_span, self.span_cell(cpu, mm, addr), entry)
        else:
            await self.m.store(FILL, self.tlb, self.cell(cpu, mm, addr), entry)

    async def walk_done(self, cpu: int) -> None:
        """The fill is complete: nothing, where hardware walks."""

    # -- invalidation on one CPU ----------------------------------------------------------------------------------

    async def invalidate(self, cpu: int, mm: int, start: int, end: int, walks: bool) -> None:
        """Drop this CPU's entries for [start, end) of ``mm``, each in a step; with ``walks`` the
        walk cache too.
        """
        end = min(end, self.w.vpages)
        await self._drop(self.tlb, self.cell(cpu, mm, start), self.cell(cpu, mm, end), INVALIDATE)
        if self.g.contpte > 1 and start < end:
            await self._drop(
                self.tlb_span, self.span_cell(cpu, mm, start), self.span_cell(cpu, mm, end - 1) + 1, INVALIDATE
            )
        if walks and start < end:
            await self._drop(
                self.walk_cache, self.walk_cell(cpu, mm, start), self.walk_cell(cpu, mm, end - 1) + 1, INVALIDATE_WALK
            )
        await self.let_go(cpu, mm)

    async def _drop(self, column: Column, first: int, last: int, where: int) -> None:
        for i, entry in enumerate(column.view[first:last].tolist(), first):
            if entry:
                await self.m.store(where, column, i, 0)

    # -- which CPU caches what -----------------------------------------------------------------------------------

    async def hold(self, cpu: int, mm: int) -> None:
        """Enter this CPU in the snoop filter of ``mm``, before it caches anything of the mm, so
        that broadcasts reach it.
        """
        if self.k.tlbflush.broadcasts and not self.caching[cpu * self.w.mms + mm]:
            self.caching[cpu * self.w.mms + mm] = 1
            await self.m.rmw(HOLD, self.tlb_holders, mm, lambda mask: mask | 1 << cpu)

    async def let_go(self, cpu: int, mm: int) -> None:
        """Leave the snoop filter of ``mm`` if this CPU caches nothing of it any more.

        The step itself asks again, as the CPU's thread may have filled an entry meanwhile.
        """
        if self.caching[cpu * self.w.mms + mm] and not self._holds(cpu, mm):
            await self.m.rmw(
                LET_GO, self.tlb_holders, mm, lambda mask: mask if self._holds(cpu, mm) else mask & ~(1 << cpu)
            )
            self.caching[cpu * self.w.mms + mm] = self._holds(cpu, mm)

    def _holds(self, cpu: int, mm: int) -> bool:
        """Return whether ``cpu``, whose own TLB it is, caches anything of ``mm``, or has an access
        in flight that may soon.
        """
        if self.irq_off[cpu]:
            return True
        rows = (
            (self.tlb, self.w.vpages),
            (self.tlb_span, len(self.tlb_span) // (self.w.cpus * self.w.mms)),
            (self.walk_cache, self.per_mm),
        )
        row = cpu * self.w.mms + mm
        return any(any(column.view[row * n : row * n + n].tolist()) for column, n in rows)

    # -- flush requests -------------------------------------------------------------------------------------------

    async def post(
        self, cpu: int, targets: list[int], kind: int, mm: int, start: int, end: int, gen: int, tables: bool
    ) -> None:
        """Post a request to each target; :meth:`wait_acks` waits for them."""
        self.req_kind[cpu], self.req_mm[cpu], self.req_start[cpu], self.req_end[cpu] = kind, mm, start, end
        self.req_gen[cpu], self.req_tables[cpu] = gen, tables
        for target in targets:
            await self.m.rmw(POST, self.cpu_request, target, lambda mask: mask | 1 << cpu)

    async def wait_acks(self, cpu: int, targets: list[int]) -> None:
        """Wait until every target has carried the request out."""
        request = self.cpu_request
        for target in targets:
            await self.m.wait(ACK_WAIT, request, target, lambda target=target: not request.view[target] >> cpu & 1)  # type: ignore[misc]

    def _pending(self, cpu: int) -> Callable[[], bool]:
        request, off, nesting, rcu = self.cpu_request, self.irq_off, self.rcu_nesting, self.rcu_request
        left, loaded = self.speculation, self.cpu_mm
        return lambda: (
            not off[cpu]
            and (
                (request.view[cpu] > 0 and (request.view[cpu] != rcu or not nesting[cpu]))
                or (left[cpu] > 0 and loaded[cpu] > 0)
            )
        )

    def answerable(self, cpu: int, requests: int) -> int:
        """Return which of ``requests``, of which one at least may be answered now, may be."""
        return requests

    def hardware(self, cpu: int) -> Actor:
        """Return the hardware actor of ``cpu``: it answers requests while interrupts are on, RCU's
        outside readers' sections; and it speculates, where the world lets it.
        """
        gate = ((self.irqs, cpu), (self.readers, cpu), (self.cpu_request, cpu))

        async def answer() -> None:
            await self._answer(cpu)

        return Actor(self.w.cpus + cpu, f"hw{cpu}", answer, daemon=True, gate=gate, ready=self._pending(cpu))

    async def speculate(self, cpu: int, mm: int) -> None:
        """Walk and fill for an address that is drawn, between two steps of the CPU's thread, whose
        own invalidations take along what is in flight.
        """
        addr = self.m.draw("speculative address", self.w.vpages)
        self.m.suspend(cpu)
        await self.hold(cpu, mm)
        pte = await self.walk(cpu, mm, addr, False)
        if pte >= 0:
            await self.fill(cpu, mm, addr, pte)
        self.m.resume(cpu)

    async def _answer(self, cpu: int) -> None:
        """Fill something on speculation, or carry out one request and acknowledge it: a flush, or
        else RCU's, by reporting a quiescent state (rcu_report_qs_rdp).
        """
        if self.speculation[cpu] and self.cpu_mm[cpu]:
            self.speculation[cpu] -= 1
            if self.m.draw("speculation", 2):
                await self.speculate(cpu, index_of_ref(self.cpu_mm[cpu]))
                return
        requests = await self.m.load(HANDLE, self.cpu_request, cpu)
        if not requests or (requests == self.rcu_request and self.rcu_nesting[cpu]):
            return
        requests = self.answerable(cpu, requests)
        initiator = (requests & -requests).bit_length() - 1
        if initiator == self.w.cpus:
            await self.m.rmw(REPORT, self.cpu_request, cpu, lambda mask: mask & ~self.rcu_request)
            return
        interrupts = self.req_kind[initiator] == IPI
        if interrupts:
            self.m.suspend(cpu)
        await self.flush_and_acknowledge(cpu, initiator)
        if interrupts:
            self.m.resume(cpu)

    async def flush_and_acknowledge(self, cpu: int, initiator: int) -> None:
        """Carry out the flush that a CPU asks for; then tell it."""
        await self.k.tlbflush.flush_handler(cpu, initiator)
        await self.m.rmw(ACK, self.cpu_request, cpu, lambda mask: mask & ~(1 << initiator))
