"""What a rmap walk finds: O18.

Reclaim, migration and write-out reach a folio's entries through its mapping alone, so an entry that
the walk misses keeps a page that others believe unmapped. Kept for each page of an address space:
the VMA by which a walk last found its entry.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Field
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

    mapped: Callable[[int, int, int, int], None]
    """``mapped(addr, at, folio, pfn)``: the entry in cell ``at``, of page ``addr`` of its mm, is
    removed or stored; it maps page ``pfn`` of ``folio``.
    """
    finds: Callable[[int, int, int, int, int], bool]
    """``finds(vma, mm, addr, folio, pfn)``: whether a walk from ``folio`` goes by ``vma`` to the
    entry of ``addr`` in ``mm`` that maps page ``pfn`` of it.
    """

    def fields(self) -> list[Field]:
        return [Field("vma_at", self.w.mms * self.w.vpages, MACHINE)]

    def bind(self) -> None:
        super().bind()
        self.finds = self._finder()
        self.mapped = self._mapper()

    def _mapper(self) -> Callable[[int, int, int, int], None]:
        """Return :attr:`mapped`, with everything that it needs at hand: it runs in every tenth
        step.
        """
        vma_at, finds, sought, vpages = self.vma_at, self.finds, self._sought, self.w.vpages

        def mapped(addr: int, at: int, folio: int, pfn: int) -> None:
            if not finds(vma_at[at], at // vpages, addr, folio, pfn):
                vma_at[at] = sought(at // vpages, addr, folio, pfn)

        return mapped

    def _sought(self, mm: int, addr: int, folio: int, pfn: int) -> int:
        """Return a VMA by which a walk from ``folio`` gets to the entry, or object."""
        finds = self.finds
        found = next((vma for vma in range(self.w.vmas) if finds(vma, mm, addr, folio, pfn)), -1)
        if found < 0:
            what = f"page {pfn} is mapped at page {addr} of mm {mm}, and no rmap walk from its folio gets there"
            self.violated("O18", what, 0, [("page_mapcount", pfn, 0)])
        return max(0, found)

    def _finder(self) -> Callable[[int, int, int, int, int], bool]:
        """Return :attr:`finds`, with everything that it needs at hand."""
        mms, starts, ends, pgoffs, linked = self.vma_mm, self.vma_start, self.vma_end, self.vma_pgoff, self.vma_linked
        mappings, indices, anon_vmas, files = self.page_mapping, self.page_index, self.vma_anon_vma, self.vma_file

        def finds(vma: int, mm: int, addr: int, folio: int, pfn: int) -> bool:
            start, mapping = starts[vma], mappings[folio]
            if (
                indices[folio] + pfn - folio - pgoffs[vma] != addr - start
                or mms[vma] != mm + 1
                or not start <= addr < ends[vma]
            ):
                return False
            if mapping & MAPPING_ANON:
                return anon_vmas[vma] == mapping >> 1 and bool(linked[vma] & ANON_LINKED)
            return files[vma] == mapping >> 1 and bool(linked[vma] & FILE_LINKED)

        return finds
