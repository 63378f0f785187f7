"""An LRU batch frees a folio to which nothing else refers, and does not take its reference away.

folio_ref_freeze() (include/linux/page_ref.h, 7.3) compares and exchanges at once. A look at the
count tells as much about the moment of the look; but whoever finds the folio while it is being
freed gets a reference to it, and it comes to the allocator with one.
"""

from __future__ import annotations

from sim.versions.v7_3.swap import FREEZE, Swap73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("dead-folios",)


class BatchFreesUnfrozen(Swap73):
    component = "swap"

    async def freezes(self, folio: int) -> bool:
        """Nobody can find what has one reference."""
        return bool(await self.m.load(FREEZE, self.page_ref, folio) == 1)
