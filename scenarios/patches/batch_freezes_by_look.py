"""An LRU batch looks whether its reference is a folio's last, and then drops it.

folio_ref_freeze() (include/linux/page_ref.h, 7.3) compares and exchanges at once: in between
somebody else may take a reference, who has looked the folio up while the page cache still had it.
"""

from __future__ import annotations

from sim.core.ledger import LRU
from sim.versions.v7_3.swap import FREEZE, Swap73

KERNEL = "7.3-flushfirst"
KIND = "interleaving"
GUARDS = ("dead-folios",)


class BatchFreezesByLook(Swap73):
    component = "swap"

    async def freezes(self, folio: int) -> bool:
        """Nobody can find what has one reference."""
        if await self.m.load(FREEZE, self.page_ref, folio) != 1:
            return False
        await self.m.add(FREEZE, self.page_ref, folio, -1, LRU)
        return True
