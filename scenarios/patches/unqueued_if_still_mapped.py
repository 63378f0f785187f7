"""A folio that is freed stays on the deferred-split queue if nothing of it is mapped any more.

folio_unqueue_deferred_split() (mm/huge_memory.c, 6.12) asks whether the folio is on the list: it
was mapped in part when it was queued, and when it is freed it never is.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.versions.v6_12.huge_memory import HugeMemory612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("partially-mapped",)

MAPPED = site("folio_undo_large_rmappable", "read nr_pages_mapped")


class UnqueuedIfStillMapped(HugeMemory612):
    component = "huge_memory"

    async def folio_undo_large_rmappable(self, folio: int) -> None:
        """Only what is mapped in part can be on the queue."""
        if await self.m.load(MAPPED, self.k.rmap.page_nr_pages_mapped, folio):
            await super().folio_undo_large_rmappable(folio)
