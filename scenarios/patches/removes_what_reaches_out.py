"""A folio that begins in the range is taken for one that lies in it.

find_lock_entries() (mm/filemap.c, 6.9) leaves folios alone that reach over the end of the range:
what is behind a hole is still the file's.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"


class RemovesWhatReachesOut(Truncate):
    component = "truncate"

    async def find_lock_entries(self, cpu: int, file: int, index: int, end: int) -> tuple[list[int], int]:
        """Where a folio begins is all that is asked."""
        folios: list[int] = []
        while index < end and len(folios) < self.g.pagevec:
            folio = await self.k.filemap.get_folio(cpu, file, index)
            if folio < 0:
                index += 1
                continue
            index = self._next_index(folio)
            if await self.lock_entry(cpu, file, folio):
                folios.append(folio)
            else:
                await self.k.swap.folio_put(cpu, folio)
        return folios, index
