"""The deferred-split queue (mm/huge_memory.c, v6.12): PG_partially_mapped says why a folio is on
it.
"""

from __future__ import annotations

from sim.core.arena import Column, Field
from sim.core.machine import site
from sim.mm.huge_memory import LOCK, UNLOCK, HugeMemory

TEST_PARTIAL = site("deferred_split_folio", "read partially_mapped")
SET_PARTIAL = site("deferred_split_folio", "set partially_mapped")
UNQUEUE_TEST = site("__folio_unqueue_deferred_split", "read partially_mapped")
UNQUEUE_CLEAR = site("__folio_unqueue_deferred_split", "clear partially_mapped")


class HugeMemory612(HugeMemory):
    """A folio is queued when some of its pages are mapped and some no more, and only then."""

    page_partially_mapped: Column

    def fields(self) -> list[Field]:
        return [*super().fields(), Field("page_partially_mapped", self.w.pages, bits=1)]

    async def deferred_split_folio(self, folio: int) -> None:
        """Mark and queue a partially mapped folio; no look before the lock is taken."""
        if self.page_order[folio] <= 1:
            return
        await self.m.lock(LOCK, self.split_queue_lock, 0)
        if not await self.m.load(TEST_PARTIAL, self.page_partially_mapped, folio):
            await self.m.store(SET_PARTIAL, self.page_partially_mapped, folio, 1)
        await self.queue(folio)
        await self.m.unlock(UNLOCK, self.split_queue_lock, 0)

    async def unqueue(self, folio: int) -> None:
        """Take a folio off the queue, and its mark with it."""
        if await self.m.load(UNQUEUE_TEST, self.page_partially_mapped, folio):
            await self.m.store(UNQUEUE_CLEAR, self.page_partially_mapped, folio, 0)
        await super().unqueue(folio)
