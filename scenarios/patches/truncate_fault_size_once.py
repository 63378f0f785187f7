"""A file fault does not look at i_size again when it has locked the folio.

filemap_fault() (mm/filemap.c, 6.9) looks before the look-up and once more under the folio lock: a
truncation that has passed i_size, and not reached the folio yet, must not see it mapped behind the
end of the file.
"""

from __future__ import annotations

from sim.mm.filemap import RECHECK_SIZE, Filemap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("i-size",)


class TruncateFaultSizeOnce(Filemap):
    component = "filemap"

    async def pages_of(self, where: int, file: int) -> int:
        """The fault has looked already."""
        return self.w.file_pages if where == RECHECK_SIZE else await super().pages_of(where, file)
