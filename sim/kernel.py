"""One composed kernel: its components, the arena that holds their state, the machine that makes
their steps.

The classes come from :mod:`sim.compose`. Components reach each other as attributes of the kernel,
which are annotated here with the generic class of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sim.core.arena import WORD, Arena, Cells, Column, Layout
from sim.core.component import Component
from sim.core.errors import ComposeError
from sim.core.machine import Actor, Machine
from sim.core.profile import Geometry, Profile, World
from sim.mm.mm_types import NR_MM_COUNTERS
from sim.task import Task

if TYPE_CHECKING:
    from sim.checks.audit import Audit
    from sim.checks.facade import Checks
    from sim.core.ledger import Ledger
    from sim.hardware.tlb import Tlb
    from sim.hardware.tlbflush import TlbFlush
    from sim.mm.filemap import Filemap
    from sim.mm.filesystem import Filesystem
    from sim.mm.fork import Fork
    from sim.mm.huge_memory import HugeMemory
    from sim.mm.madvise import Madvise
    from sim.mm.memory import Memory
    from sim.mm.mm_types import MmTypes
    from sim.mm.mmap import Mmap
    from sim.mm.mmap_lock import MmapLock
    from sim.mm.mmu_gather import MmuGather
    from sim.mm.page_alloc import PageAlloc
    from sim.mm.page_fault import PageFault
    from sim.mm.page_vma_mapped import PageVmaMapped
    from sim.mm.page_writeback import PageWriteback
    from sim.mm.pgtable import Pgtable
    from sim.mm.rcu import Rcu
    from sim.mm.rmap import Rmap
    from sim.mm.swap import Swap
    from sim.mm.swapfile import Swapfile
    from sim.mm.truncate import Truncate
    from sim.mm.unmap_mapping import UnmapMapping
    from sim.mm.vmscan import Vmscan
    from sim.versions.v6_18.pt_reclaim import PtReclaim


class Kernel:
    """A kernel of given classes, by component name, on one architecture and in one world.

    Made, it has a layout. It runs once it has been joined to an arena and a machine (:meth:`bind`)
    and has its first state (:meth:`boot`).
    """

    mm_types: MmTypes
    page_alloc: PageAlloc
    pgtable: Pgtable
    tlb: Tlb
    tlbflush: TlbFlush
    rcu: Rcu
    swapfile: Swapfile
    swap: Swap
    huge_memory: HugeMemory
    page_vma_mapped: PageVmaMapped
    rmap: Rmap
    mmu_gather: MmuGather
    memory: Memory
    page_fault: PageFault
    filemap: Filemap
    unmap_mapping: UnmapMapping
    truncate: Truncate
    filesystem: Filesystem
    page_writeback: PageWriteback
    mmap: Mmap
    mmap_lock: MmapLock
    madvise: Madvise
    fork: Fork
    vmscan: Vmscan
    pt_reclaim: PtReclaim
    """Only where the version has it."""
    ledger: Ledger
    checks: Checks
    audits: Audit
    page_head: Callable[[int], int]
    """``page_head(pfn)``: return the folio of a page (page_folio)."""
    arena: Arena
    columns: dict[str, Column | Cells]
    """The arena's columns, as the parts have them as attributes."""
    machine: Machine

    def __init__(self, profile: Profile, geometry: Geometry, world: World, classes: dict[str, type[Component]]) -> None:
        self.profile, self.geometry, self.world, self.classes = profile, geometry, world, classes
        self.slots = 2 * world.cpus + 1
        """Slots of actors: a thread and the hardware of each CPU, and RCU."""
        self.components: dict[str, Component] = {}
        for name, cls in classes.items():
            self.components[name] = component = cls(self)
            setattr(self, name, component)
        self.layout = Layout(field for component in self.components.values() for field in component.fields())

    def wrapped(self, parts: Sequence[type]) -> Kernel:
        """Return another kernel of the same classes, not bound yet, with ``parts`` in front of the
        components that they name.
        """
        return Kernel(self.profile, self.geometry, self.world, wrapped(self.classes, parts))

    def bind(self, arena: Arena, machine: Machine) -> None:
        """Join kernel, arena and machine; let the machine be told of the columns that actors wait
        on.
        """
        self.arena, self.machine, self.columns = arena, machine, arena.attributes()
        self.page_head = arena["page_head"].view.__getitem__
        for name in ("checks", *(n for n in self.components if n != "checks")):
            self.components[name].bind()
        for column in arena.columns.values():
            if column.field.waitable:
                machine.waitable(column)
        self.tasks = [Task(self, cpu) for cpu in range(self.world.cpus)]

    def boot(self) -> None:
        """Make the first state: all memory free, no address space."""
        for component in self.components.values():
            component.boot()

    def settle(self) -> None:
        """Forget when things happened: the execution that follows counts its steps from 0. Let
        CPUs speculate from now on.
        """
        for cpu in range(self.world.cpus):
            self.tlb.speculation[cpu] = self.world.speculation
        for column in self.arena.columns.values():
            if column.field.stamp and column.count:
                column.view[:] = memoryview(bytes(WORD * column.count)).cast("q")

    def services(self) -> list[Actor]:
        """Return the actors that are not threads: each CPU's hardware, and RCU."""
        return [*(self.tlb.hardware(cpu) for cpu in range(self.world.cpus)), self.rcu.actor()]

    def task(self, cpu: int) -> Task:
        """Return the thread on ``cpu``."""
        return self.tasks[cpu]

    def audit(self, drained: bool = True) -> None:
        """Judge the whole arena. Raises Violation."""
        self.audits.run(drained)

    def rss(self, mm: int) -> list[int]:
        """Return the four RSS counters of ``mm``, summed over CPUs."""
        view, row = self.arena["mm_rss"].view, self.world.mms * NR_MM_COUNTERS
        first = mm * NR_MM_COUNTERS
        return [
            sum(view[cpu * row + first + member] for cpu in range(self.world.cpus)) for member in range(NR_MM_COUNTERS)
        ]


def wrapped(classes: dict[str, type[Component]], parts: Sequence[type]) -> dict[str, type[Component]]:
    """Return ``classes`` with each of ``parts`` in front of the component that it names.

    A part is a class whose attribute ``component`` is the name of a component: its methods override
    those of whichever class stands for the component. Raises ComposeError for an unknown component.
    """
    found = dict(classes)
    for part in parts:
        name = getattr(part, "component", None)
        if name not in found:
            raise ComposeError(f"{part.__name__}.component is {name!r}: use one of {', '.join(found)}")
        found[str(name)] = type(part.__name__, (part, found[str(name)]), {})
    return found
