"""x86-64 (arch/x86/mm/tlb.c, v6.9, bare metal): IPIs, generations, lazy CPUs.

Each flush takes the next generation of the mm. A CPU that runs it is interrupted and catches up;
one that is lazy is left alone unless tables were freed, and one that has another mm loaded is not
in the mask: both compare generations when they come back, before they can use what they kept. In
6.9 on bare metal, tables go through the gather as pages.

6.12.y also reads which mm a CPU of the mask has loaded. 6.18 leaves a CPU that switches away in the
mask; tables go through RCU, and MADV_DONTNEED frees those that it has emptied.

Left out: PCID recycling, kernel mappings, paravirtual flushes, shadow stacks.
"""

from __future__ import annotations

from typing import Any

from sim.core.arena import PRIVATE, Cells, Column, Field
from sim.core.component import index_of_ref, ref_to
from sim.core.machine import site
from sim.core.profile import Profile, kernel_geometry, small_geometry
from sim.hardware.tlb import ALL, IPI
from sim.hardware.tlbflush import MASK, TlbFlush

BUMP = site("inc_mm_tlb_gen", "next generation")
LAZY = site("tlb_is_not_lazy", "read lazy")
READ_GEN = site("flush_tlb_func", "read generation")
CLEAR_MASK = site("switch_mm_irqs_off", "clear mm_cpumask of the last mm")
SET_MASK = site("switch_mm_irqs_off", "set mm_cpumask")
SWITCH_GEN = site("switch_mm_irqs_off", "read generation")
SET_LAZY = site("enter_lazy_tlb", "set lazy")
UNSET_LAZY = site("switch_mm_irqs_off", "clear lazy")
CLEAR_WRONG = site("flush_tlb_func", "clear mm_cpumask of an mm that is not loaded")
LOADED = site("should_flush_tlb", "read loaded_mm")
SET_LOADED = site("switch_mm_irqs_off", "set loaded_mm")
WAS_LAZY = site("switch_mm_irqs_off", "read lazy")

SWITCHING = -1
"""LOADED_MM_SWITCHING: between two address spaces, with interrupts off."""


class X86TlbFlush(TlbFlush):
    """flush_tlb_mm_range and what answers it."""

    broadcasts = False

    cpu_lazy: Column
    cpu_tlb_gen: Cells
    mm_tlb_gen: Column
    req_gen: Cells

    def fields(self) -> list[Field]:
        return [
            *super().fields(),
            Field("cpu_lazy", self.w.cpus, bits=1),
            Field("cpu_tlb_gen", self.w.cpus * self.w.mms, PRIVATE),
        ]

    async def tlb_flush(self, tlb: int) -> None:
        mm = self.gather_mm[tlb]
        start, end = (0, ALL) if self.gather_fullmm[tlb] else (self.gather_start[tlb], self.gather_end[tlb])
        await self.flush_tlb_mm_range(tlb, mm, start, end, bool(self.gather_freed_tables[tlb]))

    async def flush(self, cpu: int, mm: int, start: int, end: int, tables: bool) -> None:
        await self.flush_tlb_mm_range(cpu, mm, start, end, tables)

    async def flush_tlb_mm_range(self, cpu: int, mm: int, start: int, end: int, freed_tables: bool) -> None:
        """Take the next generation, interrupt the CPUs that must flush, flush here, wait."""
        if end - start > self.g.flush_ceiling:
            start, end = 0, ALL
        gen = await self.m.add(BUMP, self.mm_tlb_gen, mm, 1)
        others = await self.others(cpu, mm)
        targets = others if freed_tables else [c for c in others if not await self.m.load(LAZY, self.cpu_lazy, c)]
        await self.k.tlb.post(cpu, targets, IPI, mm, start, end, gen, freed_tables)
        if self.cpu_mm[cpu] == ref_to(mm) and (
            freed_tables or not others or not await self.m.load(LAZY, self.cpu_lazy, cpu)
        ):
            self.k.tlb.local_irq_save(cpu)
            await self.flush_tlb_func(cpu, mm, start, end, gen)
            self.k.tlb.local_irq_restore(cpu)
        await self.k.tlb.wait_acks(cpu, targets)

    async def others(self, cpu: int, mm: int) -> list[int]:
        """Return the other CPUs in the mask."""
        mask = await self.m.load(MASK, self.mm_cpumask, mm)
        return [c for c in range(self.w.cpus) if c != cpu and mask >> c & 1]

    async def flush_tlb_func(self, cpu: int, mm: int, start: int, end: int, gen: int) -> None:
        """Catch up with the mm's generation: flush the range if this CPU has missed nothing else,
        else flush everything.
        """
        if not self.is_loaded(cpu, mm):
            return
        if self.cpu_lazy.view[cpu]:
            await self.leave_mm(cpu)
            return
        local = self.cpu_tlb_gen[cpu * self.w.mms + mm]
        if self.is_done(gen, local):
            return
        mm_gen = await self.m.load(READ_GEN, self.mm_tlb_gen, mm)
        if self.may_flush_range(end, gen, local, mm_gen):
            await self.k.tlb.invalidate(cpu, mm, start, end, True)
        else:
            await self.k.tlb.invalidate(cpu, mm, 0, ALL, True)
        self.cpu_tlb_gen[cpu * self.w.mms + mm] = self.caught_up_with(gen, mm_gen)

    def is_loaded(self, cpu: int, mm: int) -> bool:
        """Return whether ``cpu`` has ``mm`` loaded (loaded_mm == f->mm)."""
        return bool(self.cpu_mm[cpu] == ref_to(mm))

    def is_done(self, gen: int, local: int) -> bool:
        """Return whether the CPU has flushed for generation ``gen`` already (f->new_tlb_gen <=
        local_tlb_gen).
        """
        return gen <= local

    def may_flush_range(self, end: int, gen: int, local: int, mm_gen: int) -> bool:
        """Return whether the range alone is enough: it is the only flush that the CPU has missed
        (f->end != TLB_FLUSH_ALL && f->new_tlb_gen == local_tlb_gen + 1 && f->new_tlb_gen ==
        mm_tlb_gen).
        """
        return end != ALL and gen == local + 1 and gen == mm_gen

    def caught_up_with(self, gen: int, mm_gen: int) -> int:
        """Return the generation that the CPU has now: the mm's, read before the flush."""
        return mm_gen

    async def flush_handler(self, cpu: int, initiator: int) -> None:
        if self.req_end[initiator] > self.req_start[initiator]:
            await self.flush_tlb_func(
                cpu, self.req_mm[initiator], self.req_start[initiator], self.req_end[initiator], self.req_gen[initiator]
            )

    # -- switching -------------------------------------------------------------------------------------------------

    async def leave_mm(self, cpu: int) -> None:
        """Switch a lazy CPU to init_mm; what the TLB holds stays, and is checked when the mm is
        loaded again.
        """
        mm = index_of_ref(self.cpu_mm[cpu])
        self.cpu_mm[cpu] = 0
        await self.m.store(UNSET_LAZY, self.cpu_lazy, cpu, 0)
        await self.leave_mask(cpu, mm)

    async def leave_mask(self, cpu: int, mm: int) -> None:
        """Let nobody interrupt this CPU for ``mm`` any more, which it leaves."""
        await self.m.rmw(CLEAR_MASK, self.mm_cpumask, mm, lambda mask: mask & ~(1 << cpu))

    async def switch_mm(self, cpu: int, mm: int) -> None:
        """Load ``mm``, or come back to it; no entry is used before the generations have been
        compared (LOADED_MM_SWITCHING).
        """
        self.k.tlb.local_irq_save(cpu)
        prev, self.cpu_mm[cpu] = index_of_ref(self.cpu_mm[cpu]), 0
        was_lazy = await self.m.load(WAS_LAZY, self.cpu_lazy, cpu)
        if was_lazy:
            await self.m.store(UNSET_LAZY, self.cpu_lazy, cpu, 0)
        await self.load_mm(cpu, prev, mm, bool(was_lazy))
        self.cpu_mm[cpu] = ref_to(mm)
        self.k.tlb.local_irq_restore(cpu)

    async def load_mm(self, cpu: int, prev: int, mm: int, was_lazy: bool) -> None:
        """Be seen to come, then compare generations, then be seen to be there."""
        if prev != mm:
            await self.begin_switch(cpu, prev, mm)
        if self.must_catch_up(prev, mm, was_lazy):
            await self.catch_up(cpu, mm)
        if prev != mm:
            await self.end_switch(cpu, mm)

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """Leave the mask of ``prev``, if there was an mm, and enter that of ``mm``."""
        if prev >= 0:
            await self.leave_mask(cpu, prev)
        await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)

    async def end_switch(self, cpu: int, mm: int) -> None:
        """Tell others that ``mm`` is loaded: nothing, as they read the mask (6.9)."""

    def must_catch_up(self, prev: int, mm: int, was_lazy: bool) -> bool:
        """Return whether the CPU may have missed flushes: it had another mm loaded, or was lazy."""
        return prev != mm or was_lazy

    async def catch_up(self, cpu: int, mm: int) -> None:
        """Compare the generations; flush everything if the CPU has missed one."""
        gen = await self.m.load(SWITCH_GEN, self.mm_tlb_gen, mm)
        if self.is_behind(self.cpu_tlb_gen[cpu * self.w.mms + mm], gen):
            await self.k.tlb.invalidate(cpu, mm, 0, ALL, True)
            self.cpu_tlb_gen[cpu * self.w.mms + mm] = gen

    def is_behind(self, local: int, gen: int) -> bool:
        """Return whether the CPU's generation is not the mm's (tlb_gen < next_tlb_gen)."""
        return local != gen

    async def enter_lazy_tlb(self, cpu: int) -> None:
        if self.cpu_mm[cpu]:
            await self.m.store(SET_LAZY, self.cpu_lazy, cpu, 1)

    def usable(self, cpu: int, mm: int) -> bool:
        """Return whether ``cpu`` has the mm loaded, and not lazily: any other CPU compares
        generations before it uses its entries.
        """
        return self.cpu_mm[cpu] == ref_to(mm) and not self.cpu_lazy.view[cpu]

    def walks(self, cpu: int, mm: int) -> bool:
        """Return whether ``cpu`` has the mm loaded, lazily or not: a lazy CPU may walk its tables
        on speculation, and so is told of freed tables.
        """
        return self.cpu_mm[cpu] == ref_to(mm)


class X86TlbFlush612(X86TlbFlush):
    """Reads which mm a CPU has loaded before it interrupts it (6.12.y)."""

    loaded_mm: Column
    """What ``cpu_tlbstate.loaded_mm`` says to others: an mm plus one, 0 for init_mm, or SWITCHING.
    """

    def fields(self) -> list[Field]:
        return [*super().fields(), Field("loaded_mm", self.w.cpus)]

    async def flush_tlb_mm_range(self, cpu: int, mm: int, start: int, end: int, freed_tables: bool) -> None:
        """Take the next generation, interrupt the CPUs that must flush, flush here, wait.

        Now and then every CPU in the mask is interrupted that is not lazy (trim_cpumask).
        """
        if end - start > self.g.flush_ceiling:
            start, end = 0, ALL
        gen = await self.m.add(BUMP, self.mm_tlb_gen, mm, 1)
        mask = await self.m.load(MASK, self.mm_cpumask, mm)
        if mask & ~(1 << cpu):
            trim = bool(self.m.draw("trim_cpumask", 2))
            targets = [
                c
                for c in range(self.w.cpus)
                if mask >> c & 1 and (freed_tables or await self.should_flush_tlb(c, mm, trim))
            ]
        else:
            targets = [cpu] if self.cpu_mm[cpu] == ref_to(mm) else []
        others = [c for c in targets if c != cpu]
        await self.k.tlb.post(cpu, others, IPI, mm, start, end, gen, freed_tables)
        if cpu in targets:
            self.k.tlb.local_irq_save(cpu)
            await self.flush_tlb_func(cpu, mm, start, end, gen)
            self.k.tlb.local_irq_restore(cpu)
        await self.k.tlb.wait_acks(cpu, others)

    async def should_flush_tlb(self, cpu: int, mm: int, trim: bool) -> bool:
        """Return whether ``cpu``, which is in the mask, must be interrupted; a lazy one catches up
        by itself.
        """
        loaded = await self.m.load(LOADED, self.loaded_mm, cpu)
        if await self.m.load(LAZY, self.cpu_lazy, cpu):
            return False
        return loaded in (SWITCHING, ref_to(mm)) or trim

    async def leave_mm(self, cpu: int) -> None:
        """Switch a lazy CPU to init_mm, as :meth:`switch_mm` would."""
        mm = index_of_ref(self.cpu_mm[cpu])
        self.cpu_mm[cpu] = 0
        await self.m.store(UNSET_LAZY, self.cpu_lazy, cpu, 0)
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, SWITCHING)
        await self.leave_mask(cpu, mm)
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, 0)

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """Let others see the switch before the masks and the generation change hands
        (LOADED_MM_SWITCHING).
        """
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, SWITCHING)
        await super().begin_switch(cpu, prev, mm)

    async def end_switch(self, cpu: int, mm: int) -> None:
        """Tell others that ``mm`` is loaded."""
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, ref_to(mm))


class X86TlbFlush618(X86TlbFlush612):
    """A CPU stays in the mask after it has switched away, until the mask is trimmed (6.14)."""

    async def flush_tlb_func(self, cpu: int, mm: int, start: int, end: int, gen: int) -> None:
        """As in 6.9; a CPU that has another mm loaded leaves the mask."""
        if self.cpu_mm[cpu] != ref_to(mm):
            await self.m.rmw(CLEAR_WRONG, self.mm_cpumask, mm, lambda mask: mask & ~(1 << cpu))
        await super().flush_tlb_func(cpu, mm, start, end, gen)

    async def leave_mask(self, cpu: int, mm: int) -> None:
        """Stay in the mask."""

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """Let others see the switch before the mask and the generation are read; enter the mask,
        unless the CPU is still in it from an earlier time.
        """
        await self.m.store(SET_LOADED, self.loaded_mm, cpu, SWITCHING)
        if not await self.m.load(MASK, self.mm_cpumask, mm) >> cpu & 1:
            await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)


V6_18: dict[str, Any] = {"table_free": True, "reclaims_pt": True, "components": {"tlbflush": X86TlbFlush618}}

REAL = kernel_geometry(4096, 512, flush_ceiling=33)

PROFILES = (
    Profile(
        "x86-64",
        REAL,
        small_geometry(REAL),
        hardware_young=True,
        hardware_dirty=True,
        merge_vmas=True,
        table_free=False,
        uffd_wp=True,
        lazy_tlb=True,
        fault_invalidates=True,
        batched_unmap_flush=True,
        components={"tlbflush": X86TlbFlush},
        versions={
            "6.12": {"components": {"tlbflush": X86TlbFlush612}},
            "6.18": V6_18,
            "7.3": V6_18,
        },
        speculates=True,
        about="IPIs, generations, lazy CPUs; tables go through the gather",
    ),
)
