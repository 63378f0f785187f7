"""RCU, as far as page tables need it (kernel/rcu/tree.c, v6.9): a reader's nesting word per CPU,
and one actor.

The actor takes what has been queued, asks every CPU to report a quiescent state, which its hardware
does once it is outside all readers' sections (a section with interrupts off counts), and only when
all have done so runs the callbacks, in steps.
"""

from __future__ import annotations

from sim.core import slab
from sim.core.arena import Column, Field
from sim.core.component import Component
from sim.core.machine import Actor, site

QUEUE = site("call_rcu", "queue table")
COUNT = site("call_rcu", "count callback")
BEGIN = site("rcu_gp_kthread", "begin grace period")
TAKE = site("rcu_gp_kthread", "take callbacks")
ASK = site("rcu_gp_kthread", "ask for quiescent state")
QUIESCENT = site("rcu_gp_kthread", "wait for quiescent state")
SYNC_ASK = site("synchronize_rcu", "ask for quiescent state")
SYNC_WAIT = site("synchronize_rcu", "wait for quiescent state")


class Rcu(Component):
    """``rcu_callbacks`` has a bit per table that waits for the next grace period, ``rcu_pending``
    counts them, for the actor to wake by.
    """

    name = "rcu"

    rcu_callbacks: Column
    rcu_pending: Column
    cpu_request: Column

    def fields(self) -> list[Field]:
        tables = self.k.pgtable.table_slots
        return [
            Field("rcu_callbacks", slab.words(tables), bits=min(slab.SLOTS_PER_WORD, tables)),
            Field("rcu_pending", 1, waitable=True),
        ]

    async def call_rcu(self, tables: list[int]) -> None:
        """Free ``tables`` after a grace period. Each waits from the moment at which it is queued: a
        grace period that is under way may take it before all are.
        """
        for table in tables:
            at, bit = divmod(table, slab.SLOTS_PER_WORD)
            await self.m.rmw(QUEUE, self.rcu_callbacks, at, lambda word, bit=bit: word | 1 << bit)  # type: ignore[misc]
            self.k.checks.rcu_queued(table)
        await self.m.add(COUNT, self.rcu_pending, 0, len(tables))

    def actor(self) -> Actor:
        """Return the actor that runs grace periods while callbacks are pending."""

        async def run() -> None:
            await self._grace_period()

        return Actor(
            2 * self.w.cpus,
            "rcu",
            run,
            daemon=True,
            gate=((self.rcu_pending, 0),),
            ready=lambda: self.rcu_pending.view[0] > 0,
        )

    async def _grace_period(self) -> None:
        await self.m.xchg(BEGIN, self.rcu_pending, 0, 0)
        taken: list[int] = []
        for at in range(len(self.rcu_callbacks)):
            taken += slab.bits(await self.m.xchg(TAKE, self.rcu_callbacks, at, 0), at)
        await self.synchronize(ASK, QUIESCENT)
        for table in taken:
            await self.k.pgtable.pte_free(table)

    async def synchronize_rcu(self) -> None:
        """Sleep until a grace period has passed: every reader's section that is open now is left."""
        await self.synchronize(SYNC_ASK, SYNC_WAIT)

    async def synchronize(self, ask: int, quiescent: int) -> None:
        """Wait until every CPU has reported a quiescent state that it was asked for by this call.

        Several may wait at once. A report that another has asked for may be about a moment before
        a section began that is open now: it is waited for, and the next one asked for.
        """
        request, bit = self.cpu_request, self.k.tlb.rcu_request
        for cpu in range(self.w.cpus):
            while await self.m.rmw(ask, request, cpu, lambda mask: mask | bit) & bit:
                await self.m.wait(quiescent, request, cpu, lambda cpu=cpu: not request.view[cpu] & bit)  # type: ignore[misc]
        for cpu in range(self.w.cpus):
            await self.m.wait(quiescent, request, cpu, lambda cpu=cpu: not request.view[cpu] & bit)  # type: ignore[misc]
