"""What a rmap walk finds: O18.

Reclaim, migration and write-out reach a folio's entries through its mapping alone, so an entry that
the walk misses keeps a page that others believe unmapped. Kept for each page of an address space:
the VMA by which a walk last found its entry.
"""

from __future__ import annotations

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Field
from sim.core.component import ref_to
from sim.mm.mm_types import MAPPING_ANON
from sim.mm.rmap import ANON_LINKED, FILE_LINKED


class RmapChecks(Checker):
    """Called whenever an entry that maps a page of a folio is stored or removed."""

    name = "checks_rmap"
    invariants = (
        (
            "O18",
            "rmap-misses-entry",
            "a rmap walk finds every entry that maps a page of the folio (rmap_walk, vma_address)",
        ),
    )

    page_mapping: Cells
    page_index: Cells
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells
    vma_file: Cells
    vma_anon_vma: Cells
    vma_linked: Cells
    vma_at: Cells

    def fields(self) -> list[Field]:
        return [Field("vma_at", self.w.mms * self.w.vpages, MACHINE)]

    def mapped(self, addr: int, at: int, folio: int, pfn: int) -> None:
        """The entry in cell ``at``, of page ``addr`` of its mm, has been or is being removed, or is
        stored: page ``pfn`` of ``folio``.
        """
        mm = at // self.w.vpages
        vma = self.vma_at[at]
        if self.finds(vma, mm, addr, folio, pfn):
            return
        for vma in range(self.w.vmas):
            if self.finds(vma, mm, addr, folio, pfn):
                self.vma_at[at] = vma
                return
        self.missed(mm, addr, pfn, self.k.checks.tlb.cleared_site(mm, addr))

    def missed(self, mm: int, addr: int, pfn: int, victim: int) -> None:
        """Object to an entry that no walk finds."""
        what = f"page {pfn} is mapped at page {addr} of mm {mm}, and no rmap walk from its folio gets there"
        self.violated("O18", what, victim, [("page_mapcount", pfn, 0)])

    def finds(self, vma: int, mm: int, addr: int, folio: int, pfn: int) -> bool:
        """Return whether a walk from ``folio`` goes by ``vma`` to the entry of ``addr`` in ``mm``
        that maps page ``pfn`` of it.
        """
        start, mapping = self.vma_start[vma], self.page_mapping[folio]
        if (
            self.vma_mm[vma] != ref_to(mm)
            or not start <= addr < self.vma_end[vma]
            or self.page_index[folio] + pfn - folio - self.vma_pgoff[vma] != addr - start
        ):
            return False
        if mapping & MAPPING_ANON:
            return self.vma_anon_vma[vma] == mapping >> 1 and bool(self.vma_linked[vma] & ANON_LINKED)
        return self.vma_file[vma] == mapping >> 1 and bool(self.vma_linked[vma] & FILE_LINKED)
