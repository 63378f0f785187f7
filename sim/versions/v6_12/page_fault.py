"""Page faults (mm/memory.c, the fault half, v6.12): a large folio of anonymous shared memory is
mapped whole; RSS is raised after the PTEs.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.mm.mm_types import VM_SHARED, VM_UFFD_WP
from sim.mm.page_fault import PTE_CHECK, PageFault

ANON_TRYLOCK = site("__vmf_anon_prepare", "trylock mmap for reading")
ANON_UNLOCK = site("__vmf_anon_prepare", "unlock mmap")
MAP_SIZE = site("finish_fault", "read i_size")
MAP_REFS = site("finish_fault", "take mapping references")


class PageFault612(PageFault):
    """Handles faults as 6.12 does."""

    page_index: Cells
    pte: Column
    mmap_lock: Column

    async def prepare_without_mmap_lock(self, cpu: int, vma: int) -> bool:
        """Prepare under the mmap lock, if it can be had at once beside the VMA's; else give up
        (__vmf_anon_prepare).
        """
        mm = self.k.mm_types.mm_of(vma)
        if not await self.m.down_read_trylock(ANON_TRYLOCK, self.mmap_lock, mm):
            return await super().prepare_without_mmap_lock(cpu, vma)
        await self.k.rmap.anon_vma_prepare(vma)
        await self.m.up_read(ANON_UNLOCK, self.mmap_lock, mm)
        return True

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
        """Return how many pages a fault on ``page`` maps: the folio's in anonymous shared memory
        (vma_is_anon_shmem), for which any shared mapping of shared memory is taken here; else 1.
        """
        shmem = self.k.filemap.shmem_mapping(self.k.mm_types.file_of(vma)) and self.vma_flags[vma] & VM_SHARED
        return self.pages_that_fit(vma, addr, page) if shmem else 1

    def pages_that_fit(self, vma: int, addr: int, page: int) -> int:
        """Return the number of pages of the folio of ``page``, if they fit into VMA and table and
        userfaultfd does not watch; else 1.
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
