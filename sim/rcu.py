"""RCU, as far as page tables need it (kernel/rcu/tree.c, v6.9): a reader's nesting word per CPU, and one actor.

The actor takes what has been queued, waits until every CPU has once been seen outside all readers' sections (a
section with interrupts off counts), and only then runs the callbacks, in steps.
"""

from __future__ import annotations

from sim.arena import PRIVATE, Cells, Column, Field
from sim.component import Component
from sim.machine import Actor, site

QUEUE = site("call_rcu", "queue table")
COUNT = site("call_rcu", "count callback")
BEGIN = site("rcu_gp_kthread", "begin grace period")
TAKE = site("rcu_gp_kthread", "take callback")
QUIESCENT = site("rcu_gp_kthread", "wait for quiescent state")

IDLE, QUEUED, WAITING = range(3)


class Rcu(Component):
    """Queued tables: ``rcu_table`` is QUEUED, then WAITING for the running grace period."""

    name = "rcu"

    rcu_table: Column
    rcu_pending: Column
    rcu_nesting: Column
    irq_off: Column
    rcu_busy: Cells

    def fields(self) -> list[Field]:
        return [Field("rcu_table", self.k.pgtable.table_slots), Field("rcu_pending", 1), Field("rcu_busy", 1, PRIVATE)]

    def bind(self) -> None:
        super().bind()
        self.m.waitable(self.rcu_pending)

    async def call_rcu(self, tables: list[int]) -> None:
        """Free ``tables`` after a grace period."""
        for table in tables:
            await self.m.store(QUEUE, self.rcu_table, table, QUEUED)
        await self.m.add(COUNT, self.rcu_pending, 0, len(tables))
        self.k.checks.rcu_queued(tables)

    def actor(self) -> Actor:
        """Return the actor that runs grace periods while callbacks are pending."""
        return Actor(2 * self.w.cpus, "rcu", self._grace_period, daemon=True, gate=((self.rcu_pending, 0),), ready=lambda: self.rcu_pending.view[0] > 0)

    async def _grace_period(self) -> None:
        await self.m.xchg(BEGIN, self.rcu_pending, 0, 0)
        self.rcu_busy[0] = 1
        taken = [table for table in range(len(self.rcu_table)) if self.rcu_table.view[table] == QUEUED]
        for table in taken:
            await self.m.store(TAKE, self.rcu_table, table, WAITING)
        for cpu in range(self.w.cpus):
            await self._quiescent(cpu)
        for table in taken:
            await self.m.store(TAKE, self.rcu_table, table, IDLE)
            await self.k.pgtable.pte_free(table)
        self.rcu_busy[0] = 0

    async def _quiescent(self, cpu: int) -> None:
        nesting, off = self.rcu_nesting, self.irq_off
        await self.m.wait(QUIESCENT, nesting, cpu, lambda: nesting.view[cpu] == 0 and off.view[cpu] == 0, also=((off, cpu),))
