"""Invalidation unmaps the range once, and no folio by itself.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) unmaps each folio under its lock too: it may
have been mapped again.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate", "O32")


class InvalidatesAfterFirstUnmap(Truncate):
    component = "truncate"

    async def folio_unmap_invalidate(self, cpu: int, file: int, folio: int) -> bool:
        """The range has been unmapped."""
        return await self.invalidate_complete_folio2(cpu, file, folio)
