"""N42: fault-around asks where the file ends only once it has found its first folio, as in 6.18.15;
6.12 and 7.3 ask first.

If the file has shrunk in between so that it ends before that folio, the folio's pages are counted
from an end before its first: the number is unsigned, and has no end.
"""

from __future__ import annotations

from sim.versions.v6_18.filemap import Filemap618
from stress.fault import Fault


class AroundClippedLate(Fault, Filemap618):
    id = "N42"
    component = "filemap"
    scenario = "around_vs_truncate"
    kernels = ("6.18-flushfirst", "6.18")
    depth = 2
    silent = dict.fromkeys(("arm64-64k", "ppc64-radix", "ppc64-hash"), "the window of fault-around is one page")

    async def filemap_map_pages(self, cpu: int, mm: int, vma: int, addr: int) -> bool:
        """The first folio is looked up, and then i_size."""
        first, last = self.window(vma, addr)
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return False
        size, at = -1, first
        mapped: list[int] = []
        while at < last:
            page, nr = await self._next_folio(cpu, vma, at, last)
            if page >= 0 and size < 0:
                last, size = await self.clip(vma, first, last)
                nr = self.counted(page, at, nr, last)
            if page >= 0:
                mapped += await self._map_folio(cpu, vma, table, page, at, nr, size)
            at += nr
        if mapped:
            await self.k.page_fault.add_rss(cpu, mm, self.counter(vma), len(mapped))
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return addr in mapped

    def counted(self, page: int, at: int, nr: int, last: int) -> int:
        """Return how many of the first folio's pages are mapped: of a large one that begins behind
        ``last`` all to the end of the page table or of memory, both of which the kernel leaves.
        """
        if last > at or not self.page_order[self.k.page_head(page)]:
            return min(nr, max(1, last - at))
        return min(self.g.ptrs_per_pte - at % self.g.ptrs_per_pte, len(self.page_order) - page)
