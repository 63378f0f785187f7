"""A folio that truncation had to wait for is removed as it is.

truncate_inode_folio() (mm/truncate.c, 6.9) calls truncate_cleanup_folio() first: whoever had locked
the folio may have mapped it.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O31")


class TruncateRemovesWithoutCleanup(Truncate):
    component = "truncate"

    async def truncate_inode_folio(self, cpu: int, file: int, folio: int) -> None:
        """The batches have been cleaned up."""
        if self.k.filemap.in_cache(file, folio):
            await self.k.filemap.filemap_remove_folio(cpu, file, folio)
