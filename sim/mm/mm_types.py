"""struct page, struct folio, mm_struct and vm_area_struct as columns (include/linux/mm_types.h,
v6.9).

A folio's counters live at its head page. ``page_mapcount`` holds the number of PTE mappings of a
page: the kernel's ``_mapcount`` plus one. ``page_entire_mapcount`` counts PMD leaves, of which
there are none yet. Flags that the kernel keeps in one word, changed by atomic bit operations, are
columns of their own here, which is the same under sequential consistency.

Left out: memcg, page types, the pin count of large folios, PG_hwpoison.
"""

from __future__ import annotations

from sim.core.arena import MACHINE, PRIVATE, Cells, Column, Field
from sim.core.component import Component
from sim.core.pte import WRITE

MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES = range(4)
NR_MM_COUNTERS = 4

VM_WRITE, VM_SHARED, VM_UFFD_WP, VM_MAYWRITE, VM_SEQ_READ, VM_QUIET = (1 << n for n in range(6))
"""VM_QUIET is the model's own: vma_wants_writenotify() is false, as for shmem, so file PTEs are
installed writable and clean.
"""

MAPPING_ANON = 1
"""Low bit of ``page_mapping``: the rest is an anon_vma; else it is a file. 0 is no mapping."""

ZERO_PFN = 0
"""The zero page: mapped by special PTEs, never counted, never freed."""


def anon_mapping(anon_vma: int) -> int:
    """Return the ``page_mapping`` word of a folio of ``anon_vma`` (an index)."""
    return anon_vma + 1 << 1 | MAPPING_ANON


def file_mapping(file: int) -> int:
    """Return the ``page_mapping`` word of a page-cache folio of ``file`` (an index)."""
    return file + 1 << 1


class MmTypes(Component):
    """The objects, and the look-ups that every file of mm/ shares."""

    name = "mm_types"

    page_head: Cells
    page_order: Cells
    page_mapping: Cells
    page_swapbacked: Cells
    page_mapcount: Column
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_attached: Cells
    vma_flags: Cells
    vma_file: Cells
    mm_users: Column

    def fields(self) -> list[Field]:
        pages, mms, vmas = self.w.pages, self.w.mms, self.w.vmas
        shared = [
            "page_ref", "page_mapcount", "page_entire_mapcount", "page_nr_pages_mapped", "page_anon_exclusive", "page_dirty", "page_writeback",
            "page_locked", "page_referenced", "page_active", "page_lru", "page_content", "page_deferred",
        ]  # fmt: skip
        owned = ["page_head", "page_order", "page_mapping", "page_index", "page_swapbacked"]
        mm_shared = [
            "mmap_lock",
            "mm_users",
            "mm_tlb_flush_pending",
            "mm_tlb_gen",
            "mm_tlb_flush_batched",
            "mm_cpumask",
            "mm_pgtables",
            "mm_pml",
        ]
        vma = [
            "vma_mm",
            "vma_start",
            "vma_end",
            "vma_flags",
            "vma_file",
            "vma_pgoff",
            "vma_anon_vma",
            "vma_attached",
            "vma_linked",
        ]
        return [
            *(Field(n, pages) for n in shared),
            *(Field(n, pages, PRIVATE) for n in owned),
            Field("page_gen", pages, PRIVATE),
            *(Field(n, mms) for n in mm_shared),
            Field("mm_order", mms, PRIVATE),
            Field("mm_rss", self.w.cpus * mms * NR_MM_COUNTERS),
            *(Field(n, vmas, PRIVATE) for n in vma),
            Field("vma_anon_prepared", vmas),
            Field("op", self.w.cpus, MACHINE),
        ]

    def bind(self) -> None:
        super().bind()
        self.m.waitable(self.mm_users)

    def folio_nr_pages(self, folio: int) -> int:
        """Return the number of pages of ``folio``."""
        return 1 << self.page_order[folio]

    def folio_test_anon(self, folio: int) -> bool:
        """Return whether ``folio`` is anonymous; reliable while it is mapped or referenced."""
        return bool(self.page_mapping[folio] & MAPPING_ANON)

    def mm_counter(self, folio: int) -> int:
        """Return which RSS counter a page of ``folio`` is in; shared memory is known by
        PG_swapbacked.
        """
        return MM_ANONPAGES if self.folio_test_anon(folio) else self.mm_counter_file(folio)

    def mm_counter_file(self, folio: int) -> int:
        """Return the same for a folio that is not anonymous."""
        return MM_SHMEMPAGES if self.page_swapbacked[folio] else MM_FILEPAGES

    def vma_is_anonymous(self, vma: int) -> bool:
        """Return whether ``vma`` maps no file."""
        return not self.vma_file[vma]

    def is_cow_mapping(self, vma: int) -> bool:
        """Return whether ``vma`` is private and may become writable."""
        return self.vma_flags[vma] & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE

    def file_pte_bits(self, vma: int) -> int:
        """Return what ``vm_page_prot`` adds to a file PTE that is installed for reading."""
        quiet = VM_SHARED | VM_WRITE | VM_QUIET
        return WRITE if self.vma_flags[vma] & quiet == quiet else 0

    def vma_has_recency(self, vma: int) -> bool:
        """Return whether accesses through ``vma`` age its folios."""
        return not self.vma_flags[vma] & VM_SEQ_READ

    def vma_lookup(self, mm: int, addr: int) -> int:
        """Return the attached VMA of ``mm`` that contains ``addr``, or -1.

        The caller holds the mmap lock.
        """
        for vma in range(self.w.vmas):
            if (
                self.vma_mm[vma] == mm + 1
                and self.vma_attached[vma]
                and self.vma_start[vma] <= addr < self.vma_end[vma]
            ):
                return vma
        return -1

    def vmas_in(self, mm: int, start: int, end: int) -> list[int]:
        """Return the attached VMAs of ``mm`` that meet [start, end), by address."""
        found = [
            v
            for v in range(self.w.vmas)
            if self.vma_mm[v] == mm + 1 and self.vma_attached[v] and self.vma_start[v] < end and self.vma_end[v] > start
        ]
        return sorted(found, key=lambda v: self.vma_start[v])
