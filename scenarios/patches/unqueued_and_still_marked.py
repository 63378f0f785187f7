"""A folio that leaves the deferred-split queue stays marked as partially mapped.

__folio_unqueue_deferred_split() (mm/huge_memory.c, 6.18) clears PG_partially_mapped: the folio is
about to be freed, and the flag must not be there when its pages are used again.
"""

from __future__ import annotations

from sim.mm.huge_memory import HugeMemory

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("partially-mapped",)


class UnqueuedAndStillMarked(HugeMemory):
    component = "huge_memory"

    async def unqueue(self, folio: int) -> None:
        """As before there was the mark."""
        await HugeMemory.unqueue(self, folio)
