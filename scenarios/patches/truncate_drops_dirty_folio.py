"""A large folio that truncation cannot split is removed as a whole, dirty or not.

truncate_inode_partial_folio() (mm/truncate.c, 6.9) asks folio_test_dirty() when split_folio() has
failed: what lies before the new end of the file is still the file's.
"""

from __future__ import annotations

from sim.mm.truncate import ZERO, Truncate

KERNEL = "6.9"
KIND = "sequence"


class TruncateDropsDirtyFolio(Truncate):
    component = "truncate"

    async def truncate_inode_partial_folio(self, cpu: int, file: int, folio: int, start: int, stop: int) -> bool:
        """What could not be split goes."""
        size = self.g.page_size
        first, end = self.page_index[folio] * size, self._next_index(folio) * size
        await self.k.page_writeback.wait_for_writeback(folio)
        if start <= first and end <= stop:
            await self.truncate_inode_folio(cpu, file, folio)
            return True
        for page in range(folio, folio + (1 << self.page_order[folio])):
            if start <= first + (page - folio) * size < stop:
                await self.m.store(ZERO, self.page_content, page, 0)
        if self.page_order[folio]:
            await self.truncate_inode_folio(cpu, file, folio)
        return True
