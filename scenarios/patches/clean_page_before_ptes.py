"""PG_dirty is taken before the page table entries are cleaned.

folio_clear_dirty_for_io() (mm/page-writeback.c, since 2.6.20: 7658cc289288) cleans the entries
first, and sets PG_dirty for what it finds in them: what is written between the two steps must
count.
"""

from __future__ import annotations

from sim.mm.page_writeback import CLEAR_DIRTY, PageWriteback

KERNEL = "6.9"
KIND = "interleaving"


class CleanPageBeforePtes(PageWriteback):
    component = "page_writeback"

    async def folio_clear_dirty_for_io(self, cpu: int, folio: int) -> bool:
        """Dirty entries are thought to be of what PG_dirty has told already."""
        dirty = bool(await self.m.xchg(CLEAR_DIRTY, self.page_dirty, folio, 0))
        await self.k.rmap.folio_mkclean(cpu, folio)
        self.k.checks.cleaned_for_io(folio, dirty)
        return dirty
