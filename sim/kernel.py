"""Composes a kernel from components (law L5): the version's, the profile's overrides, then faults
on top.

``compose`` decides which class each component is; ``Kernel.bind`` makes the objects, once there is
an arena.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sim.checks.audit import Audit
from sim.checks.facade import Checks
from sim.core.arena import Arena, Layout
from sim.core.component import Component
from sim.core.errors import ComposeError
from sim.core.ledger import Ledger
from sim.core.machine import Actor, Machine
from sim.core.profile import Geometry, Profile, World
from sim.hardware.tlb import Tlb
from sim.hardware.tlbflush import TlbFlush
from sim.mm.filemap import Filemap
from sim.mm.fork import Fork
from sim.mm.huge_memory import HugeMemory
from sim.mm.madvise import Madvise
from sim.mm.memory import Memory
from sim.mm.mm_types import NR_MM_COUNTERS, MmTypes
from sim.mm.mmap import Mmap
from sim.mm.mmu_gather import MmuGather
from sim.mm.page_alloc import PageAlloc
from sim.mm.page_fault import PageFault
from sim.mm.page_writeback import PageWriteback
from sim.mm.pgtable import Pgtable
from sim.mm.rcu import Rcu
from sim.mm.rmap import Rmap
from sim.mm.swap import Swap
from sim.mm.swapfile import Swapfile
from sim.task import Task
from sim.versions import VERSIONS

if TYPE_CHECKING:
    from sim.versions.v6_18.pt_reclaim import PtReclaim

GENERIC: tuple[type[Component], ...] = (
    MmTypes, PageAlloc, Pgtable, Tlb, TlbFlush, Rcu, Swapfile, Swap, HugeMemory, Rmap, MmuGather, Memory, PageFault, Filemap, PageWriteback, Mmap,
    Madvise, Fork,
    Ledger, Checks, Audit,
)  # fmt: skip
"""The components of 6.9, in the order in which their columns are laid out."""

STAMPS = (
    "cleared_at",
    "narrowed_at",
    "tlb_stamp",
    "tlb_span_stamp",
    "ptl_taken",
    "ledger_site",
    "freed_step",
    "gather_queued_at",
    "gather_since",
)
"""Columns of the checkers that hold step numbers or sites of the running execution."""


class Kernel:
    """One composed kernel. Components reach each other as its attributes."""

    mm_types: MmTypes
    page_alloc: PageAlloc
    pgtable: Pgtable
    tlb: Tlb
    tlbflush: TlbFlush
    rcu: Rcu
    swapfile: Swapfile
    swap: Swap
    huge_memory: HugeMemory
    rmap: Rmap
    mmu_gather: MmuGather
    memory: Memory
    page_fault: PageFault
    filemap: Filemap
    page_writeback: PageWriteback
    mmap: Mmap
    madvise: Madvise
    fork: Fork
    pt_reclaim: PtReclaim
    """Only where the version has it."""
    ledger: Ledger
    checks: Checks
    page_head: Callable[[int], int]
    arena: Arena
    machine: Machine

    def __init__(self, profile: Profile, geometry: Geometry, world: World, classes: dict[str, type[Component]]) -> None:
        self.profile, self.geometry, self.world, self.classes = profile, geometry, world, classes
        self.slots = 2 * world.cpus + 1
        self.components: dict[str, Component] = {}
        for name, cls in classes.items():
            self.components[name] = component = cls(self)
            setattr(self, name, component)
        self.layout = Layout(field for component in self.components.values() for field in component.fields())
        self.overlaps: dict[tuple[str, str], int] = {}

    def wrapped(self, parts: Sequence[type]) -> Kernel:
        """Return another kernel of the same parts, not bound yet, with ``parts`` in front of the
        components that they name.

        A part is a class whose attribute ``component`` names the component that it subclasses:
        whoever provides that component, the part wraps it. Raises ComposeError for an unknown
        component.
        """
        return Kernel(self.profile, self.geometry, self.world, _wrapped(self.classes, parts))

    def bind(self, arena: Arena, machine: Machine) -> None:
        """Join kernel, block and machine."""
        self.arena, self.machine = arena, machine
        self.page_head = arena["page_head"].view.__getitem__
        for name in ("checks", *(n for n in self.components if n != "checks")):
            self.components[name].bind()
        self.tasks = [Task(self, cpu) for cpu in range(self.world.cpus)]

    def boot(self) -> None:
        """Make the first state: free memory; mm 0 exists and is loaded on every CPU that a scenario
        does not move.
        """
        for component in self.components.values():
            component.boot()

    def settle(self) -> None:
        """Forget when things happened: the execution that follows counts its steps from 0."""
        for name in STAMPS:
            column = self.arena[name]
            if column.count:
                column.view[:] = memoryview(bytes(8 * column.count)).cast("q")

    def services(self) -> list[Actor]:
        """Return the actors that are not threads: each CPU's hardware, and RCU."""
        return [*(self.tlb.hardware(cpu) for cpu in range(self.world.cpus)), self.rcu.actor()]

    def task(self, cpu: int) -> Task:
        """Return the thread on ``cpu``."""
        return self.tasks[cpu]

    def audit(self, drained: bool = True) -> None:
        """Judge the whole arena; raises Violation."""
        audit = self.components["audits"]
        assert isinstance(audit, Audit)
        audit.run(drained)

    def rss(self, mm: int) -> list[int]:
        """Return the four RSS counters of ``mm``, summed over CPUs."""
        view, row = self.arena["mm_rss"].view, self.world.mms * NR_MM_COUNTERS
        first = mm * NR_MM_COUNTERS
        return [
            sum(view[cpu * row + first + member] for cpu in range(self.world.cpus)) for member in range(NR_MM_COUNTERS)
        ]


def compose(profile: Profile, geometry: str, version: str, world: World, faults: Sequence[type] = ()) -> Kernel:
    """Return the kernel of ``version`` on ``profile``, wrapped (:meth:`Kernel.wrapped`) by
    ``faults`` or a user's patch, in order.

    Raises ComposeError for an unknown version or component.
    """
    if version not in VERSIONS:
        raise ComposeError(f"unknown kernel version {version!r}: use one of {', '.join(VERSIONS)}")
    profile, classes = profile.at(version), {cls.name: cls for cls in GENERIC}
    for cls in (*VERSIONS[version], *profile.components.values()):
        below = classes.get(cls.name, cls)
        classes[cls.name] = cls if issubclass(cls, below) else type(cls.__name__, (cls, below), {})
    return Kernel(profile, profile.geometry(geometry), world, _wrapped(classes, faults))


def _wrapped(classes: dict[str, type[Component]], parts: Sequence[type]) -> dict[str, type[Component]]:
    found = dict(classes)
    for part in parts:
        name = getattr(part, "component", None)
        if name not in found:
            raise ComposeError(f"{part.__name__}.component is {name!r}: use one of {', '.join(found)}")
        found[str(name)] = type(part.__name__, (part, found[str(name)]), {})
    return found
