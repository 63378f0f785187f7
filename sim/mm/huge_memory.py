"""The deferred-split queue (mm/huge_memory.c, v6.9): queueing and unqueueing.

Splitting itself is not modelled.
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, bits_for
from sim.core.component import Component
from sim.core.machine import site

LOOK = site("deferred_split_folio", "look whether it is queued")
LOCK = site("deferred_split_folio", "lock split queue")
QUEUE = site("deferred_split_folio", "queue")
UNLOCK = site("deferred_split_folio", "unlock split queue")
UNDO_LOOK = site("folio_undo_large_rmappable", "look whether it is queued")
UNQUEUE = site("folio_undo_large_rmappable", "unqueue")
UNDO_LOCK = site("folio_undo_large_rmappable", "lock split queue")
UNDO_UNLOCK = site("folio_undo_large_rmappable", "unlock split queue")


class HugeMemory(Component):
    """One queue; ``page_deferred`` of a folio says whether it is on it."""

    name = "huge_memory"

    split_queue_lock: Column
    split_queue_len: Cells
    page_deferred: Column
    page_order: Cells

    def fields(self) -> list[Field]:
        return [
            Field("split_queue_lock", 1, lock=SPIN, bits=bits_for(self.k.slots)),
            Field("split_queue_len", 1, PRIVATE),
        ]

    async def deferred_split_folio(self, folio: int) -> None:
        """Queue a large anonymous folio that lost a mapping; in 6.9 also one that lost its last."""
        if self.page_order[folio] <= 1 or await self.m.load(LOOK, self.page_deferred, folio):
            return
        await self.m.lock(LOCK, self.split_queue_lock, 0)
        await self.queue(folio)
        await self.m.unlock(UNLOCK, self.split_queue_lock, 0)

    async def folio_undo_large_rmappable(self, folio: int) -> None:
        """Take a folio whose refcount is 0 off the queue; looks before it locks."""
        if self.page_order[folio] <= 1 or not await self.m.load(UNDO_LOOK, self.page_deferred, folio):
            return
        await self.m.lock(UNDO_LOCK, self.split_queue_lock, 0)
        await self.unqueue(folio)
        await self.m.unlock(UNDO_UNLOCK, self.split_queue_lock, 0)

    async def queue(self, folio: int) -> None:
        """Put a folio on the queue, whose lock the caller holds, unless it is there."""
        if not await self.m.xchg(QUEUE, self.page_deferred, folio, 1):
            self.split_queue_len[0] += 1

    async def unqueue(self, folio: int) -> None:
        """Take a folio off the queue, whose lock the caller holds, if it is there."""
        if await self.m.xchg(UNQUEUE, self.page_deferred, folio, 0):
            self.split_queue_len[0] -= 1
