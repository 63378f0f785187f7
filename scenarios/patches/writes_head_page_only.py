"""Of a dirty large folio the first page alone is written out.

write_cache_pages() hands folios on since 6.3, and a file system's writepage (as iomap's, 6.9)
writes all of folio_size(); here it is PAGE_SIZE still.
"""

from __future__ import annotations

from sim.mm.page_writeback import COPY_READ, COPY_WRITE, END, PageWriteback

KERNEL = "6.9"
KIND = "sequence"


class WritesHeadPageOnly(PageWriteback):
    component = "page_writeback"

    async def write_out(self, folio: int, file: int) -> None:
        """One page."""
        version = await self.m.load(COPY_READ, self.page_content, folio)
        self.k.checks.copied(folio)
        await self.m.store(COPY_WRITE, self.disk, self.k.filemap.slot(file, self.page_index[folio]), version)
        await self.m.store(END, self.page_writeback, folio, 0)
