"""Truncation removes a folio without asking whether it is mapped.

truncate_cleanup_folio() (mm/truncate.c, 6.9) asks, and unmaps it: a fault may have mapped it again
since the range was unmapped.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation", "O31")


class TruncateTrustsFirstUnmap(Truncate):
    component = "truncate"

    async def truncate_cleanup_folio(self, cpu: int, folio: int) -> None:
        """The range has been unmapped as a whole."""
        await self.k.page_writeback.folio_cancel_dirty(folio)
