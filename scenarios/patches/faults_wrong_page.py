"""A fault takes the page of the file that is as far from its beginning as the address is from the
VMA's.

linear_page_index() (include/linux/pagemap.h, 6.9) adds vm_pgoff: a mapping need not begin with the
first page, and the upper part of one that was split does not.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "sequence"


class FaultsWrongPage(Filemap):
    component = "filemap"

    async def _next_folio(self, cpu: int, vma: int, at: int, last: int) -> tuple[int, int]:
        """vm_pgoff is left out."""
        pgoff, self.vma_pgoff[vma] = self.vma_pgoff[vma], 0
        found = await super()._next_folio(cpu, vma, at, last)
        self.vma_pgoff[vma] = pgoff
        return found
