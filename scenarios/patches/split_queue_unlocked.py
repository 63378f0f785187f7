"""A folio is put on the deferred-split queue without the queue's lock.

deferred_split_folio() (mm/huge_memory.c, 6.9) looks without it, and looks again once it has it: two
processes may unmap pages of one folio at once.
"""

from __future__ import annotations

from sim.mm.huge_memory import LOOK, QUEUE, HugeMemory

KERNEL = "6.9"
KIND = "interleaving"


class SplitQueueUnlocked(HugeMemory):
    component = "huge_memory"

    async def deferred_split_folio(self, folio: int) -> None:
        """The look before the lock is the only one."""
        if self.page_order[folio] <= 1 or await self.m.load(LOOK, self.page_deferred, folio):
            return
        await self.m.store(QUEUE, self.page_deferred, folio, 1)
        self.split_queue_len[0] += 1
