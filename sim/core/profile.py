"""What an architecture is to the model: data, and the components that it overrides (law L6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sim.core.component import Component

SMALL, REAL = "small", "real"


@dataclass(frozen=True)
class Geometry:
    """Sizes, in entries or base pages.

    ``real`` is the kernel's own arithmetic, ``small`` scaled down.
    """

    page_size: int
    ptrs_per_pte: int
    gather_bundle: int
    """MMU_GATHER_BUNDLE: slots of the on-stack batch."""
    gather_batch: int
    """MAX_GATHER_BATCH: slots of an allocated batch."""
    gather_batch_count: int
    """MAX_GATHER_BATCH_COUNT: allocated batches per gather."""
    table_batch: int
    """MAX_TABLE_BATCH: tables per table batch."""
    folios_per_free: int
    """MAX_NR_FOLIOS_PER_FREE: gather words freed between two resched points."""
    pagevec: int
    """PAGEVEC_SIZE: folios in a per-CPU LRU batch or a folio batch."""
    flush_ceiling: int
    """Strides beyond which a range flush becomes a full one; 0 is no range flush at all."""
    orders: tuple[int, ...]
    """Folio orders that anonymous memory may use, ascending; the page cache uses them too."""
    contpte: int = 1
    """Entries of a contiguous block (arm64), 1 where there is none."""
    lazy_mmu_batch: int = 0
    """PPC64_TLB_BATCH_NR: hash entries queued before they are flushed."""


def kernel_geometry(page_size: int, ptrs_per_pte: int, flush_ceiling: int, **more: int) -> Geometry:
    """Compute the real geometry for a page size in bytes, as mmu_gather does
    (include/asm-generic/tlb.h, 6.9).
    """
    batch = (page_size - 16) // 8
    return Geometry(
        page_size=page_size,
        ptrs_per_pte=ptrs_per_pte,
        gather_bundle=8,
        gather_batch=batch,
        gather_batch_count=10_000 // batch,
        table_batch=(page_size - 24) // 8,
        folios_per_free=512,
        pagevec=31,
        flush_ceiling=flush_ceiling,
        orders=tuple(o for o in range(ptrs_per_pte.bit_length() - 1) if o != 1),
        **more,
    )


def small_geometry(real: Geometry, flush_ceiling: int = 4) -> Geometry:
    """Scale ``real`` down so that small worlds reach every edge; ``flush_ceiling`` in pages."""
    return replace(
        real,
        ptrs_per_pte=8,
        gather_bundle=4,
        gather_batch=6,
        gather_batch_count=2,
        table_batch=2,
        folios_per_free=4,
        pagevec=3,
        flush_ceiling=min(real.flush_ceiling, flush_ceiling),
        orders=(0, 2, 3),
        contpte=4 if real.contpte > 1 else 1,
        lazy_mmu_batch=3 if real.lazy_mmu_batch else 0,
    )


@dataclass(frozen=True)
class Profile:
    """An architecture.

    Flags are what Linux 6.9 selects or defines for it; :meth:`at` gives another version's.
    """

    name: str
    real: Geometry
    small: Geometry
    hardware_young: bool
    """The walker sets the accessed bit; else an access to an old PTE faults."""
    hardware_dirty: bool
    """The walker sets the dirty bit; else a store to a clean PTE faults."""
    merge_vmas: bool
    """MMU_GATHER_MERGE_VMAS: no TLB flush at the end of a VMA."""
    gathers: bool = True
    """False is MMU_GATHER_NO_GATHER: pages are freed at once."""
    delays_rmap: bool = True
    """tlb_delay_rmap() may be true."""
    table_free: bool = True
    """Tables are freed through the RCU table batch; False: they go through the gather as pages."""
    page_size_tracking: bool = False
    """MMU_GATHER_PAGE_SIZE."""
    uffd_wp: bool = False
    """PTEs have a uffd-wp bit."""
    mm_cpumask: bool = True
    """Flushes go to the CPUs in mm_cpumask; False: broadcast to all."""
    lazy_tlb: bool = False
    """CPUs in lazy mode, or with another mm loaded, are not sent leaf flushes: they catch up by
    generation (x86).
    """
    flushes_ranges: bool = True
    """The flush of a gather invalidates the tracked range; False: the whole mm, or nothing (s390x,
    ppc64 hash).
    """
    dead_mm_keeps_entries: bool = False
    """A fullmm flush without freed tables does nothing: the ASID is not used again (arm64)."""
    walks_tables: bool = True
    """Hardware walks Linux page tables; False: it has a hash table of its own (ppc64 hash)."""
    speculates: bool = False
    """Hardware may fill TLB and walk cache at any time, for addresses that no instruction has named
    (ppc64 hash fills from its own table, which only page faults fill).
    """
    fault_invalidates: bool = False
    """A page fault drops what its CPU has cached for the address, so that it is not taken again for
    that alone (x86; SDM 3A 4.10.4.1).
    """
    plain_fullmm_clear: bool = True
    """A fullmm clear is a plain load and store (all but arm64 and riscv)."""
    batched_unmap_flush: bool = False
    """Reclaim may defer flushes (ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH), so a zapper looks for pending
    ones.
    """
    components: dict[str, type[Component]] = field(default_factory=dict)
    """Component name to the class that overrides the generic one."""
    reclaims_pt: bool = False
    """PT_RECLAIM (6.14): MADV_DONTNEED frees page tables that it has emptied."""
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Kernel version -> the fields of this profile that are different there."""
    about: str = ""
    """What sets the profile apart, in one line (``zapstress list profiles``)."""

    def at(self, version: str) -> Profile:
        """Return the profile as kernel ``version`` has it; a variant, VERSION-WORD, has its
        version's.
        """
        return replace(self, **self.versions.get(version.partition("-")[0], {}))

    def geometry(self, which: str) -> Geometry:
        """Return the geometry named ``small`` or ``real``."""
        return self.small if which == SMALL else self.real


@dataclass(frozen=True)
class World:
    """How large a world a scenario wants. Counts; ``vpages`` and ``file_pages`` are base pages."""

    cpus: int = 2
    mms: int = 1
    vpages: int = 16
    pages: int = 64
    vmas: int = 8
    tables: int = 0
    """0: as many as all address spaces need, and half as many again."""
    files: int = 0
    file_pages: int = 16
    anon_vmas: int = 4
    swap_slots: int = 0
    speculation: int = 0
    """How often the hardware of each CPU may fill something on speculation in an execution."""
