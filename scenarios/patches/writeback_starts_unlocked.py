"""PG_writeback is set when the folio lock has been let go.

Write-out sets it under the lock (folio_start_writeback, fs/ext4/page-io.c, 6.9): between the two
whoever removes the folio sees no write-out to wait for.
"""

from __future__ import annotations

from sim.mm.page_writeback import LOCK, START, UNLOCK, PageWriteback

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("O37",)


class WritebackStartsUnlocked(PageWriteback):
    component = "page_writeback"

    async def write_folio(self, cpu: int, file: int, index: int) -> bool:
        """Two lines are turned round."""
        folio = await self.k.filemap.get_folio(cpu, file, index)
        if folio < 0:
            return False
        await self.m.lock(LOCK, self.page_locked, folio)
        dirty = await self.folio_prepare_writeback(cpu, file, folio)
        await self.m.unlock(UNLOCK, self.page_locked, folio)
        if dirty:
            await self.m.store(START, self.page_writeback, folio, 1)
            await self.write_out(folio, file)
        await self.k.swap.folio_put(cpu, folio)
        return dirty
