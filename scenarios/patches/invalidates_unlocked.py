"""Invalidation takes a folio without its lock.

invalidate_inode_pages2_range() (mm/truncate.c, 6.9) locks it before it looks at its mapping: a
fault holds the lock while it maps the folio, and would map what has just been unmapped.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-invalidate",)


class InvalidatesUnlocked(Truncate):
    component = "truncate"

    async def invalidate_found(self, cpu: int, file: int, folio: int, index: int) -> tuple[int, bool]:
        """The reference is taken to keep it there."""
        clean = True
        if self.k.filemap.in_cache(file, folio):
            index = self._next_index(folio)
            clean = await self.invalidate_locked_folio(cpu, file, folio)
        await self.k.swap.folio_put(cpu, folio)
        return index, clean
