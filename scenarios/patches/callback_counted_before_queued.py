"""A page table's callback is counted before it is queued.

call_rcu() (kernel/rcu/tree.c, 6.12) queues first: a grace period that begins in between takes what
is there, and nobody begins another one.
"""

from __future__ import annotations

from sim.core import slab
from sim.mm.rcu import COUNT, QUEUE, Rcu

KERNEL = "6.12"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "s390x", "ppc64-radix", "ppc64-hash")
KIND = "interleaving"


class CallbackCountedBeforeQueued(Rcu):
    component = "rcu"

    async def call_rcu(self, tables: list[int]) -> None:
        """Wake the thread early."""
        await self.m.add(COUNT, self.rcu_pending, 0, len(tables))
        for table in tables:
            at, bit = divmod(table, slab.SLOTS_PER_WORD)
            await self.m.rmw(QUEUE, self.rcu_callbacks, at, lambda word, bit=bit: word | 1 << bit)  # type: ignore[misc]
            self.k.checks.rcu_queued(table)
