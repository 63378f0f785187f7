"""RCU's one promise: a callback runs after every reader's section that was open when it was queued
has been left. Told from the outside, by what happened in which order, not by the checkers.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.core.machine import Body, site, site_info
from sim.core.profile import World
from sim.mm.rcu import QUEUE
from stress.catalogue import CATALOGUE
from stress.strategies.prefix import Prefix
from tests.scenarios.driving import Driven, driven

LOOK = site("test_rcu", "look")

CPUS = 3
SECTIONS = 4
"""Sections that each reader enters, one after the other."""

LOOKS = 3
"""Steps inside a section, and between two."""

TABLES = (0, 1, 2)

SEEDS = 30


class Recorded:
    """A table that is freed is noted; it was never a real one."""

    component = "pgtable"
    freed: list[tuple[int, int]]
    """(step, table)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.freed = []

    async def pte_free(self, table: int, holder: int = 0) -> None:
        self.freed.append((self.m.seq, table))  # type: ignore[attr-defined]


class Told:
    """The checkers' facade notes at which step it is told that a table waits."""

    component = "checks"
    told: list[tuple[int, Any]]
    """(table, the step's site)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.told = []

    def rcu_queued(self, table: int) -> None:
        self.told.append((table, site_info(self.m.last_site)))  # type: ignore[attr-defined]


async def looks(driver: Driven) -> None:
    """Make some steps that change nothing."""
    for _ in range(LOOKS):
        await driver.machine.load(LOOK, driver.kernel.arena["rcu_pending"], 0)


def reader(driver: Driven, cpu: int, sections: list[tuple[int, int]], irqs: bool) -> Body:
    """Return a body that enters and leaves sections of ``cpu``: RCU's, or with interrupts off; the
    steps at which each began and ended go to ``sections``.
    """
    tlb = driver.kernel.tlb
    enter, leave = (tlb.local_irq_save, tlb.local_irq_restore) if irqs else (tlb.rcu_read_lock, tlb.rcu_read_unlock)

    async def body() -> None:
        for _ in range(SECTIONS):
            await looks(driver)
            enter(cpu)
            began = driver.machine.seq
            await looks(driver)
            sections.append((began, driver.machine.seq))
            leave(cpu)

    return body


@pytest.mark.parametrize("strategy", ["random", "pct", "round-robin"])
async def test_a_callback_runs_after_the_readers_that_were_inside(strategy: str) -> None:
    """Each table is freed once, and no section that was open when it was queued is open then. Some
    are, in some runs, when the tables are queued: else nothing would be tested.
    """
    async with driven("arm64-4k", "small", "6.9", World(cpus=CPUS), [Recorded]) as driver:
        chosen, waited = CATALOGUE.strategy(strategy), 0
        pgtable: Any = driver.kernel.pgtable
        for seed in range(SEEDS):
            sections: list[tuple[int, int]] = []
            queued: list[int] = []
            pgtable.freed.clear()

            async def queue(queued: list[int] = queued) -> None:
                for tables in (TABLES[:2], TABLES[2:]):
                    await looks(driver)
                    queued.append(driver.machine.seq)
                    await driver.kernel.rcu.call_rcu(list(tables))

            bodies = {0: queue} | {cpu: reader(driver, cpu, sections, irqs=cpu == 2) for cpu in (1, 2)}
            await driver.race(bodies, chosen, seed)
            assert sorted(table for _, table in pgtable.freed) == list(TABLES)
            for step, table in pgtable.freed:
                since = queued[table == TABLES[2]]
                inside = [(began, ended) for began, ended in sections if began < since < ended]
                waited += len(inside)
                assert [] == [section for section in inside if step < section[1]]
        assert waited > SEEDS // 3


async def test_a_table_waits_from_the_step_that_queues_it() -> None:
    """The checkers are told then, and not once it is counted: a grace period that is under way may
    have taken it by then, and readers may have come that it owes nothing.
    """
    async with driven("arm64-4k", "small", "6.9", World(cpus=CPUS), [Recorded, Told]) as driver:
        checks: Any = driver.kernel.checks
        await driver.race({0: lambda: driver.kernel.rcu.call_rcu(list(TABLES))}, CATALOGUE.strategy("random"), 0)
        assert checks.told == [(table, site_info(QUEUE)) for table in TABLES]


async def test_without_callbacks_nobody_is_asked() -> None:
    """No grace period runs for nothing."""
    async with driven("arm64-4k", "small", "6.9", World(cpus=CPUS), [Recorded]) as driver:
        await driver.race({1: reader(driver, 1, [], irqs=False)}, CATALOGUE.strategy("random"), 0)
        assert SECTIONS * 2 * LOOKS == driver.machine.seq


async def test_who_waits_beside_others_waits_for_a_report_of_its_own() -> None:
    """CPU 0 has asked for reports, and CPU 2 is about to make one when its thread enters a section;
    then CPU 1 asks too. That report says nothing of the section, which CPU 1 has to wait for.
    """
    first, second, inside, hardware = 0, 1, 2, CPUS
    take_then_report = [(hardware + 2, 1), (inside, 1), (second, 1 + CPUS), (hardware + 2, 1)]
    others = [(hardware, 2), (hardware + 1, 2)]
    runs = [(first, CPUS), *take_then_report, *others, (first, CPUS), (second, CPUS)]
    async with driven("ppc64-radix", "small", "7.3", World(cpus=CPUS)) as driver:
        events: list[str] = []

        async def wait() -> None:
            await driver.kernel.rcu.synchronize_rcu()

        async def wait_too() -> None:
            await driver.machine.load(LOOK, driver.kernel.arena["rcu_pending"], 0)
            events.append("asks")
            await wait()
            events.append("is over")

        async def read() -> None:
            await driver.machine.load(LOOK, driver.kernel.arena["rcu_pending"], 0)
            driver.kernel.tlb.rcu_read_lock(inside)
            events.append("enters")
            await looks(driver)
            events.append("leaves")
            driver.kernel.tlb.rcu_read_unlock(inside)

        await driver.race({first: wait, second: wait_too, inside: read}, Prefix(runs), 0)
    assert ["enters", "asks", "leaves", "is over"] == events
