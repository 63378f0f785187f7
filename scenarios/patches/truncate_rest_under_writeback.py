"""The second pass of truncation waits for the lock of a folio, and not for its write-out.

truncate_inode_pages_range() (mm/truncate.c, 6.9) calls folio_wait_writeback() there: the first pass
has left the folio alone because it was being written out.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"


class TruncateRestUnderWriteback(Truncate):
    component = "truncate"

    async def _truncate_rest(self, cpu: int, file: int, first: int, end: int) -> bool:
        """Whoever has the lock may remove the folio."""
        index, found = first, False
        while index < end:
            folio = await self._locked_at(cpu, file, index)
            index += 1
            if folio < 0:
                continue
            found, index = True, self._next_index(folio)
            await self.truncate_inode_folio(cpu, file, folio)
            await self._unlock_and_put(cpu, folio)
        return found
