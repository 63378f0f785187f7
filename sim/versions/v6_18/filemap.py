"""The page cache (mm/filemap.c, v6.18): fault-around maps a large folio whole, also beyond its
window.

6.18.15 looks at i_size after it has found the first folio, and may then count that one's pages from
an end before it; here it looks before, as 6.12 does (docs/model.md). The planted fault N42 is that
order.
"""

from __future__ import annotations

from sim.core.arena import Cells
from sim.core.ledger import PAGECACHE, TRANSIENT
from sim.core.machine import site
from sim.mm.filemap import AROUND_REF
from sim.versions.v6_12.filemap import Filemap612
from sim.versions.v6_18.page_fault import PageFault618

AROUND_PUT = site("filemap_map_folio_range", "drop reference")


class Filemap618(Filemap612):
    """The reference of the look-up becomes a mapping's, the first time that something is mapped."""

    page_order: Cells

    async def _map_folio(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int, size: int) -> list[int]:
        folio = self.k.page_head(page)
        first, count = self.range_of(vma, at, page, nr, size)
        mapped = await self._map_range(cpu, vma, table, first, at - (page - first), count)
        if not mapped:
            await self.m.add(AROUND_PUT, self.page_ref, folio, -1, TRANSIENT)
        await self.unlock_folio(folio)
        return mapped

    def range_of(self, vma: int, at: int, page: int, passed: int, size: int) -> tuple[int, int]:
        """Return the first page to map and how many: the whole folio if it fits, else the
        ``passed`` pages of it that the window has.
        """
        handler = self.k.page_fault
        assert isinstance(handler, PageFault618)
        file, folio = self.k.mm_types.file_of(vma), self.k.page_head(page)
        whole = handler.pages_to_map(vma, at, page) if self.can_map_large(file, folio, size) else 1
        return (folio, whole) if whole > 1 else (page, passed)

    async def _map_range(self, cpu: int, vma: int, table: int, page: int, at: int, nr: int) -> list[int]:
        """Map runs of empty entries: rmap and PTEs first, then the mappings' references, but for
        the one that is held already.
        """
        mapped: list[int] = []
        run = 0
        for k in range(nr + 1):
            if k < nr and await self.may_map(table, at + k):
                run += 1
                continue
            if run:
                await self._map_run(cpu, vma, table, page + k - run, at + k - run, run, not mapped)
                mapped += range(at + k - run, at + k)
            run = 0
        return mapped

    async def _map_run(self, cpu: int, vma: int, table: int, page: int, at: int, run: int, held: bool) -> None:
        """Map ``run`` pages from ``page`` on at ``at``.

        ``held``: the reference of the look-up is not used yet, and becomes a mapping's; a small
        folio needs no other.
        """
        folio, ptep = self.k.page_head(page), self.k.pgtable.ptep(table, at)
        if not self.page_order[folio]:
            await self.k.page_fault.set_pte_range(cpu, vma, at, ptep, page, 1, False, 0)
            return
        await self.k.page_fault.set_pte_range(cpu, vma, at, ptep, page, run, False, 0, PAGECACHE)
        await self.m.add(AROUND_REF, self.page_ref, folio, run - held, PAGECACHE)
        if held:
            self.k.ledger.move(TRANSIENT, PAGECACHE, folio, 1)
