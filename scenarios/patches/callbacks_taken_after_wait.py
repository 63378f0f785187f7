"""A grace period frees callbacks that were queued while it ran.

RCU (kernel/rcu/tree.c, 6.9) waits for the readers that were there when a callback was queued: those
that come during a grace period have to wait for the next one.
"""

from __future__ import annotations

from sim.core import slab
from sim.mm.rcu import ASK, BEGIN, QUIESCENT, TAKE, Rcu

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "s390x", "ppc64-radix", "ppc64-hash")
KIND = "interleaving"


class CallbacksTakenAfterWait(Rcu):
    component = "rcu"

    async def _grace_period(self) -> None:
        """The list is taken once the wait is over."""
        await self.m.xchg(BEGIN, self.rcu_pending, 0, 0)
        await self.synchronize(ASK, QUIESCENT)
        taken: list[int] = []
        for at in range(len(self.rcu_callbacks)):
            taken += slab.bits(await self.m.xchg(TAKE, self.rcu_callbacks, at, 0), at)
        for table in taken:
            await self.k.pgtable.pte_free(table)
