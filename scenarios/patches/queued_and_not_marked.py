"""A folio is queued for splitting as one that is mapped in part, and not marked so.

deferred_split_folio() (mm/huge_memory.c, 6.12) sets PG_partially_mapped under the queue's lock:
folios that are on the queue for another reason have no mark.
"""

from __future__ import annotations

from sim.mm.huge_memory import HugeMemory
from sim.versions.v6_12.huge_memory import HugeMemory612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("partially-mapped",)


class QueuedAndNotMarked(HugeMemory612):
    component = "huge_memory"

    async def deferred_split_folio(self, folio: int) -> None:
        """As before there was the mark."""
        await HugeMemory.deferred_split_folio(self, folio)
