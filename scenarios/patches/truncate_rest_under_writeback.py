"""The second pass of truncation waits for the lock of a folio, and not for its write-out.

truncate_inode_pages_range() (mm/truncate.c, 6.9) calls folio_wait_writeback() there: the first pass
has left the folio alone because it was being written out.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O37")


class TruncateRestUnderWriteback(Truncate):
    component = "truncate"

    async def wait_for_rest(self, folio: int) -> None:
        """Whoever has the lock may remove the folio."""
