"""struct page, struct folio, mm_struct and vm_area_struct as columns (include/linux/mm_types.h,
v6.9).

A folio's counters live at its head page. ``page_mapcount`` holds the number of PTE mappings of a
page: the kernel's ``_mapcount`` plus one. There are no PMD leaves yet, so ``_entire_mapcount`` has
no column. Flags that the kernel keeps in one word, changed by atomic bit operations, are
columns of their own here, which is the same under sequential consistency.

Left out: memcg, page types, the pin count of large folios, PG_hwpoison.
"""

from __future__ import annotations

from sim.core.arena import MACHINE, PRIVATE, RWSEM, TRIED, Cells, Field, alike, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.operations import OPERATIONS
from sim.core.pte import WRITE

MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES = range(4)
NR_MM_COUNTERS = 4

VM_BITS = 6
VM_WRITE, VM_SHARED, VM_UFFD_WP, VM_MAYWRITE, VM_SEQ_READ, VM_QUIET = (1 << n for n in range(VM_BITS))
"""VM_QUIET is the model's own: vma_wants_writenotify() is false, as for shmem, so file PTEs are
installed writable and clean.
"""

MAPPING_ANON = 1
"""Low bit of ``page_mapping``: the rest is an anon_vma; else it is a file. 0 is no mapping."""

ZERO_PFN = 0
"""The zero page: mapped by special PTEs, never counted, never freed."""


def anon_mapping(anon_vma: int) -> int:
    """Return the ``page_mapping`` word of a folio of ``anon_vma`` (an index)."""
    return ref_to(anon_vma) << 1 | MAPPING_ANON


def file_mapping(file: int) -> int:
    """Return the ``page_mapping`` word of a page-cache folio of ``file`` (an index)."""
    return ref_to(file) << 1


class MmTypes(Component):
    """The objects, and the look-ups that every file of mm/ shares."""

    name = "mm_types"

    page_order: Cells
    page_mapping: Cells
    page_swapbacked: Cells
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_attached: Cells
    vma_flags: Cells
    vma_file: Cells
    vma_anon_vma: Cells

    def fields(self) -> list[Field]:
        operations = len(OPERATIONS)
        return [
            *self._page_fields(),
            *self._mm_fields(),
            *self._vma_fields(),
            Field("op", self.w.cpus, MACHINE, bits=bits_for(operations)),
            Field("overlaps", operations * operations, MACHINE, statistic=True),
            Field("op_counted", self.w.cpus, MACHINE, statistic=True),
        ]

    def _page_fields(self) -> list[Field]:
        pages, owners = self.w.pages, max(self.w.anon_vmas, self.w.files)
        return [
            *alike(("page_ref", "page_mapcount", "page_nr_pages_mapped"), pages, word=32, of_page=True),
            *alike(("page_anon_exclusive", "page_dirty"), pages, bits=1, of_page=True),
            Field("page_writeback", pages, waitable=True, bits=1, of_page=True),
            Field("page_locked", pages, lock=TRIED, bits=bits_for(self.k.slots), of_page=True),
            *alike(("page_referenced", "page_active", "page_lru"), pages, bits=1, of_page=True),
            Field("page_content", pages, equality="content", word=32, of_page=True),
            Field("page_deferred", pages, bits=1, of_page=True),
            Field("page_head", pages, PRIVATE, bits=bits_for(pages - 1)),
            Field("page_order", pages, PRIVATE, bits=bits_for(pages.bit_length())),
            Field("page_mapping", pages, PRIVATE, bits=1 + bits_for(owners)),
            Field("page_index", pages, PRIVATE, bits=bits_for(max(self.w.vpages, self.w.file_pages))),
            Field("page_swapbacked", pages, PRIVATE, bits=1),
            Field("page_gen", pages, PRIVATE, equality="page", word=32),
        ]

    def _mm_fields(self) -> list[Field]:
        mms = self.w.mms
        return [
            Field("mmap_lock", mms, lock=RWSEM),
            Field("mm_users", mms, waitable=True),
            *alike(("mm_tlb_flush_pending", "mm_tlb_gen"), mms),
            Field("mm_tlb_flush_batched", mms, bits=1),
            Field("mm_cpumask", mms, bits=self.w.cpus),
            Field("mm_pgtables", mms),
            Field("mm_pml", mms, lock=TRIED, bits=bits_for(self.k.slots)),
            Field("mm_order", mms, PRIVATE),
            Field("mm_rss", self.w.cpus * mms * NR_MM_COUNTERS),
        ]

    def _vma_fields(self) -> list[Field]:
        vmas, page = self.w.vmas, bits_for(self.w.vpages)
        return [
            Field("vma_mm", vmas, PRIVATE, bits=bits_for(self.w.mms)),
            *alike(("vma_start", "vma_end"), vmas, PRIVATE, bits=page),
            Field("vma_flags", vmas, PRIVATE, bits=VM_BITS),
            Field("vma_file", vmas, PRIVATE, bits=bits_for(self.w.files)),
            Field("vma_pgoff", vmas, PRIVATE, bits=bits_for(max(self.w.vpages, self.w.file_pages))),
            Field("vma_anon_vma", vmas, PRIVATE, bits=bits_for(self.w.anon_vmas)),
            Field("vma_attached", vmas, PRIVATE, bits=1),
            Field("vma_linked", vmas, PRIVATE, bits=2),
            Field("vma_anon_prepared", vmas, bits=1),
        ]

    # -- references (sim.core.component) ---------------------------------------------------------------------------

    def mm_of(self, vma: int) -> int:
        """Return the mm of ``vma``, or -1 if the slot is free (vma->vm_mm)."""
        return index_of_ref(self.vma_mm[vma])

    def file_of(self, vma: int) -> int:
        """Return the file that ``vma`` maps, or -1 if it is anonymous (vma->vm_file)."""
        return index_of_ref(self.vma_file[vma])

    def anon_vma_of(self, vma: int) -> int:
        """Return the anon_vma of ``vma``, or -1 if it has none yet (vma->anon_vma)."""
        return index_of_ref(self.vma_anon_vma[vma])

    def mapping_of(self, folio: int) -> int:
        """Return the anon_vma or the file that ``folio`` belongs to, or -1; MAPPING_ANON says
        which.
        """
        return index_of_ref(self.page_mapping[folio] >> 1)

    # -- look-ups --------------------------------------------------------------------------------------------------

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
                self.vma_mm[vma] == ref_to(mm)
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
            if self.vma_mm[v] == ref_to(mm)
            and self.vma_attached[v]
            and self.vma_start[v] < end
            and self.vma_end[v] > start
        ]
        return sorted(found, key=lambda v: self.vma_start[v])
