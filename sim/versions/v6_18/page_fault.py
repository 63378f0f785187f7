"""Page faults (mm/memory.c, the fault half, v6.18): a large folio that is one mm's is reused, a
file's large folio mapped whole.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import DIRTY, WRITE
from sim.mm.mm_types import VM_UFFD_WP
from sim.mm.page_fault import PTE_CHECK, PageFault
from sim.versions.v6_18.rmap import LOCK, UNLOCK

REUSE_TOTAL = site("__wp_can_reuse_large_anon_folio", "read large mapcount")
REUSE_SHARED = site("__wp_can_reuse_large_anon_folio", "read mapped shared")
REUSE_REFS = site("__wp_can_reuse_large_anon_folio", "read refcount")
MAP_SIZE = site("finish_fault", "read i_size")
MAP_REFS = site("finish_fault", "take mapping references")
RANGE_DIRTY = site("set_pte_range", "read PG_dirty")


class PageFault618(PageFault):
    """Handles faults as 6.18 does."""

    page_large_mapcount: Column
    page_mapped_shared: Column
    page_mm_ids_lock: Column
    page_dirty: Column
    page_index: Cells

    # -- reuse of large folios -------------------------------------------------------------------------------------

    async def wp_can_reuse_anon_folio(self, cpu: int, folio: int) -> bool:
        """Return whether every reference to the folio is this mm's."""
        if self.page_order[folio]:
            return await self.wp_can_reuse_large_anon_folio(folio)
        return await super().wp_can_reuse_anon_folio(cpu, folio)

    async def wp_can_reuse_large_anon_folio(self, folio: int) -> bool:
        """Return whether every reference is a mapping's and every mapping this mm's; a folio with
        one mapping left is let go of instead.

        References come before mapcounts and go after them, so equality under the lock that keeps
        mapcounts still is proof.
        """
        if await self.m.load(REUSE_TOTAL, self.page_large_mapcount, folio) <= 1 or not await self.is_sole_owner(folio):
            return False
        await self.m.lock(LOCK, self.page_mm_ids_lock, folio)
        exclusive = await self.is_sole_owner(folio)
        await self.m.unlock(UNLOCK, self.page_mm_ids_lock, folio)
        return exclusive

    async def is_sole_owner(self, folio: int) -> bool:
        """Return whether one mm maps ``folio``, and nothing but its mappings refers to it."""
        if await self.m.load(REUSE_SHARED, self.page_mapped_shared, folio):
            return False
        return await self.m.load(REUSE_TOTAL, self.page_large_mapcount, folio) == await self.m.load(
            REUSE_REFS, self.page_ref, folio
        )

    # -- file memory -----------------------------------------------------------------------------------------------

    async def finish_fault(self, cpu: int, mm: int, vma: int, addr: int, page: int, write: bool, orig: int) -> bool:
        """Map the whole folio if it fits, else one page; the fault's own reference becomes a
        mapping's. Return False if another fault was faster.
        """
        folio = self.k.page_head(page)
        nr = self.pages_to_map(vma, addr, page)
        if nr > 1 and not await self.ends_in_file(vma, folio):
            nr = 1
        await self._pte_alloc_once(cpu, mm, addr)
        table, ptep = await self._lock_empty(cpu, mm, addr, page if nr == 1 else folio, page, nr, orig)
        if table < 0 and nr > 1:
            nr = 1
            table, ptep = await self._lock_empty(cpu, mm, addr, page, page, 1, orig)
        if table < 0:
            return False
        first = page if nr == 1 else folio
        if nr > 1:
            await self.m.add(MAP_REFS, self.page_ref, folio, nr - 1, TRANSIENT)
        await self.set_pte_range(cpu, vma, addr - (page - first), ptep, first, nr, write, orig)
        await self.add_rss(cpu, mm, self.k.mm_types.mm_counter_file(folio), nr)
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True

    async def ends_in_file(self, vma: int, folio: int) -> bool:
        """Return whether a folio may be mapped whole: the file reaches to its end, or is shared
        memory (SIGBUS behind the file's last page).
        """
        file, filemap = self.k.mm_types.file_of(vma), self.k.filemap
        end = self.page_index[folio] + self.k.mm_types.folio_nr_pages(folio)
        return filemap.shmem_mapping(file) or await filemap.pages_of(MAP_SIZE, file) >= end

    def pages_to_map(self, vma: int, addr: int, page: int) -> int:
        """Return how many pages a fault on ``page`` maps: the folio's, if they fit into VMA and
        table and userfaultfd does not watch; else 1.
        """
        folio = self.k.page_head(page)
        first, nr, span = addr - (page - folio), self.k.mm_types.folio_nr_pages(folio), self.g.ptrs_per_pte
        inside = (
            self.vma_start[vma] <= first
            and first + nr <= self.vma_end[vma]
            and first // span == (first + nr - 1) // span
        )
        return nr if inside and not self.vma_flags[vma] & VM_UFFD_WP else 1

    async def _lock_empty(
        self, cpu: int, mm: int, addr: int, first: int, page: int, nr: int, orig: int
    ) -> tuple[int, int]:
        """Lock the table and return it with the first entry, if the entries of the ``nr`` pages
        from ``first`` on are as they were; else (-1, -1).
        """
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table < 0:
            return -1, -1
        ptep = self.k.pgtable.ptep(table, addr) - (page - first)
        if await self._all_empty(ptep, nr) if nr > 1 else await self.m.load(PTE_CHECK, self.pte, ptep) == orig:
            return table, ptep
        await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return -1, -1

    async def range_bits(self, vma: int, page: int, write: bool) -> int:
        """Return the bits as 6.9 does, with DIRTY if the entry is writable and the folio dirty
        (6.17).
        """
        bits = await super().range_bits(vma, page, write)
        if bits & (WRITE | DIRTY) == WRITE and await self.m.load(RANGE_DIRTY, self.page_dirty, self.k.page_head(page)):
            bits |= DIRTY
        return bits
