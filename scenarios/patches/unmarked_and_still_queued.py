"""A folio that is mapped in part loses its mark when it is freed, and stays on the queue.

__folio_unqueue_deferred_split() (mm/huge_memory.c, 6.12) clears PG_partially_mapped and takes the
folio off the list: the one does not stand for the other.
"""

from __future__ import annotations

from sim.versions.v6_12.huge_memory import UNQUEUE_CLEAR, UNQUEUE_TEST, HugeMemory612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("partially-mapped",)


class UnmarkedAndStillQueued(HugeMemory612):
    component = "huge_memory"

    async def unqueue(self, folio: int) -> None:
        """Only what has no mark is taken off."""
        if await self.m.load(UNQUEUE_TEST, self.page_partially_mapped, folio):
            await self.m.store(UNQUEUE_CLEAR, self.page_partially_mapped, folio, 0)
        else:
            await super().unqueue(folio)
