"""Invalidation does not wait until a folio has been written out.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) waits for PG_writeback under the folio lock:
what reads the disk next would read what was there before.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate", "O37")


class InvalidatesUnderWriteback(Truncate):
    component = "truncate"

    async def invalidate_locked_folio(self, cpu: int, file: int, folio: int) -> bool:
        """The write has been started, and the folio is clean."""
        return await self.folio_unmap_invalidate(cpu, file, folio)
