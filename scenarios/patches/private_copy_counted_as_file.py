"""A private copy that a fault maps is counted as a page of the file.

finish_fault() (mm/memory.c, 7.3) chooses the counter by what it maps, which for a private write
fault is the copy, and not by what the VMA maps.
"""

from __future__ import annotations

from sim.mm.mm_types import MM_ANONPAGES, MM_FILEPAGES
from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("rss-after-ptes",)


class PrivateCopyCountedAsFile(PageFault73):
    component = "page_fault"

    async def map_anon_folio(self, cpu: int, vma: int, at: int, ptep: int, folio: int, nr: int, orig: int = 0) -> None:
        """A VMA of a file counts as one."""
        member = MM_ANONPAGES if self.k.mm_types.vma_is_anonymous(vma) else MM_FILEPAGES
        await self.map_new_folio(cpu, vma, at, ptep, folio, nr, orig)
        await self.add_rss(cpu, self.k.mm_types.mm_of(vma), member, nr)
