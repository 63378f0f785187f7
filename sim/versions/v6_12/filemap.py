"""The page cache (mm/filemap.c, v6.12): fault-around ends with the file (SIGBUS behind its last
page).
"""

from __future__ import annotations

from sim.core.machine import site
from sim.mm.filemap import Filemap

AROUND_END = site("filemap_map_pages", "read i_size")


class Filemap612(Filemap):
    """Looks at i_size before it maps around a fault (6.12.y)."""

    async def clip(self, vma: int, first: int, last: int) -> tuple[int, int]:
        """Stop where the file ends: one look at i_size, from which on a fault-around takes it for
        granted.
        """
        size = await self.pages_of(AROUND_END, self.k.mm_types.file_of(vma))
        return min(last, first + max(0, size - (first - self.vma_start[vma] + self.vma_pgoff[vma]))), size

    async def opens_window(self, file: int, folio: int) -> bool:
        """Return whether a page table may be installed: the first folio of the window must not be
        the file's last.

        filemap_map_pages() installs the table in filemap_map_pmd(), and calls that only if the
        folio ends before the last page of the file (74207de2ba10; i_size is compared with the index
        behind the folio, one too many).
        """
        return self.can_map_large(file, folio, await self.pages_of(AROUND_END, file))

    def can_map_large(self, file: int, folio: int, size: int) -> bool:
        """Return whether ``folio`` may be mapped whole by fault-around, where its file has ``size``
        pages: the file's last only in shared memory.
        """
        end = self.page_index[folio] + self.k.mm_types.folio_nr_pages(folio)
        return self.shmem_mapping(file) or size - 1 >= end
