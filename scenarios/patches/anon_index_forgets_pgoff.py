"""A fresh anonymous folio gets its place in the VMA as its index.

__folio_set_anon() (mm/rmap.c, 6.9) uses linear_page_index(), which adds vm_pgoff: a walk through
another VMA of the same anon_vma, behind a split, subtracts its own.
"""

from __future__ import annotations

from sim.mm.rmap import Rmap

KERNEL = "6.9"
KIND = "sequence"


class AnonIndexForgetsPgoff(Rmap):
    component = "rmap"

    async def folio_add_new_anon_rmap(self, folio: int, vma: int, addr: int) -> None:
        """The VMA's own offset is left out."""
        await super().folio_add_new_anon_rmap(folio, vma, addr)
        self.page_index[folio] = addr - self.vma_start[vma]
