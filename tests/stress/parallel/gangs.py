"""What the tests of the parallel machine share: a persistent pair of processes, and cases to run on
it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sim.core.ledger import GATHER
from sim.core.machine import site
from stress.case import Case
from stress.catalogue import CATALOGUE, DEFAULT_CATALOGUE, Catalogue
from stress.parallel.gang import Gang
from tests.toy import ADD, ToyCatalogue, ToyScenario

STORM = Case("storm", (("length", 8), ("order", 0), ("phase", 0)), "x86-64")
SMALL = Case("munmap_vs_access", (("order", 2), ("store", 1)), "x86-64")


def first_case(scenario: str, profile: str, at: int = -1, faults: tuple[str, ...] = ()) -> Case:
    """Return a case of ``scenario``: the last of its parameter sets, or number ``at``."""
    params = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile), "small")
    return Case(scenario, tuple(sorted(params[at % len(params)].items())), profile, faults=faults)


@contextmanager
def pair(catalogue: str = DEFAULT_CATALOGUE, steps_max: int = 1 << 16) -> Iterator[Gang]:
    """Yield a gang of two."""
    with Gang(2, catalogue, steps_max) as gang:
        yield gang


@contextmanager
def apart(gang: Gang) -> Iterator[None]:
    """Keep each process of ``gang`` on a core of its own, as far as there are cores.

    Left alone, the scheduler may keep two processes on one core for seconds, if others want the
    second: then they never make a step at the same instant.
    """
    cores = sorted(os.sched_getaffinity(0))
    for number, pid in enumerate(gang.pids()):
        os.sched_setaffinity(pid, {cores[number % len(cores)]})
    try:
        yield
    finally:
        for pid in gang.pids():
            os.sched_setaffinity(pid, cores)


TORN_READ, TORN_WRITE = (
    site("test_folio_ref_sub", "read refcount, torn"),
    site("test_folio_ref_sub", "write refcount, torn"),
)


class TornPut:
    """References are put by a load and a store, not by one atomic instruction: an update can be
    lost.
    """

    id = "TORN"
    component = "swap"
    title = "torn put"
    silent: dict[str, str] = {}

    async def folios_put_refs(self, cpu: int, folios: list[tuple[int, int]], holder: int) -> None:
        refs, machine, dead = self.page_ref, self.m, []  # type: ignore[attr-defined]
        for folio, nr in folios:
            left = await machine.load(TORN_READ, refs, folio) - nr
            await machine.store(TORN_WRITE, refs, folio, left, holder)
            if holder == GATHER:
                self.k.checks.gather_put(cpu, nr)  # type: ignore[attr-defined]
            if left == 0:
                await self._release(folio)  # type: ignore[attr-defined]
                dead.append(folio)
        await self.k.page_alloc.free_unref_folios(dead)  # type: ignore[attr-defined]


class Torn(Catalogue):
    """The real catalogue with one fault more."""

    spec = "tests.stress.parallel.gangs:TORN"

    def fault_class(self, name: str) -> type:
        return TornPut if name == "TORN" else super().fault_class(name)


TORN = Torn()


ADDITIONS = 2_000
"""Additions that each thread of the scenario below makes."""


class SameCounter(ToyScenario):
    """Two threads add one to the same counter, and do nothing else: where additions are no atomic
    instructions, whatever moment the processes share is enough to lose one.
    """

    async def thread(self, cpu: int) -> None:
        for _ in range(ADDITIONS):
            await self.kernel.m.add(ADD, self.kernel.counter, 0, 1)
            self.kernel.done[cpu] += 1


ADDING = ToyCatalogue(extra={"same_counter": SameCounter})
ADDING_SPEC = "tests.stress.parallel.gangs:ADDING"
