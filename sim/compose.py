"""Composes a kernel: the components of 6.9, then those of a version, those of an architecture, and
planted faults or a user's patch on top.

This is the only file that imports every component. Which class stands for a component is decided
here; the objects are made by :class:`~sim.kernel.Kernel`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.checks.audit import Audit
from sim.checks.facade import Checks
from sim.core.component import Component
from sim.core.errors import ComposeError
from sim.core.ledger import Ledger
from sim.core.profile import Profile, World
from sim.hardware.tlb import Tlb
from sim.hardware.tlbflush import TlbFlush
from sim.kernel import Kernel, wrapped
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
from sim.versions import VERSIONS

GENERIC: tuple[type[Component], ...] = (
    MmTypes, PageAlloc, Pgtable, Tlb, TlbFlush, Rcu, Swapfile, Swap, HugeMemory, PageVmaMapped, Rmap, MmuGather, Memory,
    PageFault, Filemap, PageWriteback, MmapLock, Mmap, Madvise, Fork, Vmscan, UnmapMapping, Truncate, Filesystem,
    Ledger, Checks, Audit,
)  # fmt: skip
"""The components of 6.9, in the order in which their columns are laid out."""


def compose(profile: Profile, geometry: str, version: str, world: World, parts: Sequence[type] = ()) -> Kernel:
    """Return the kernel of ``version`` on ``profile``, wrapped (:func:`sim.kernel.wrapped`) by
    ``parts``, planted faults or a user's patch, in order.

    Raises ComposeError for an unknown version or component.
    """
    classes, profile = classes_of(profile, version), profile.at(version)
    return Kernel(profile, profile.geometry(geometry), world, wrapped(classes, parts))


def classes_of(profile: Profile, version: str) -> dict[str, type[Component]]:
    """Return the class that stands for each component of ``version`` on ``profile``.

    A class of the profile that does not subclass the version's goes in front of it. Raises
    ComposeError for an unknown version.
    """
    if version not in VERSIONS:
        raise ComposeError(f"unknown kernel version {version!r}: use one of {', '.join(VERSIONS)}")
    classes = {cls.name: cls for cls in GENERIC}
    for cls in (*VERSIONS[version].components, *profile.at(version).components.values()):
        below = classes.get(cls.name, cls)
        classes[cls.name] = cls if issubclass(cls, below) else type(cls.__name__, (cls, below), {})
    return classes
