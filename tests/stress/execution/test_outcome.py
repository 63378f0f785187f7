"""What an outcome computes, against a plain count."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy
import pytest

from sim.core.machine import SITES
from sim.core.pte import PRESENT, make_pte
from sim.core.pte import WRITE as WRITE_BIT
from sim.core.step import FIELD_SHIFT, KIND_SHIFT, RMW, SITE_SHIFT, TLB_SHIFT, WRITE, kind_of, place_of, site_of
from sim.task import Task
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.outcome import CHECK_BYTES, column_checksums
from stress.execution.runner import Runner, open_runner
from stress.execution.steps import steps
from stress.execution.touches import site_checksums
from stress.machine.chance import RandomData, TapeData
from stress.strategies.replay import Replay
from tests.toy import ADD, NOTE, SPIN, TOYS, ToyCatalogue, ToyKernel, ToyScenario

CASE = Case("mailbox", (), "toy", faults=("T01",))


def slots_of(runner: Runner) -> list[int]:
    """Return who made each step."""
    return [slot for slot, count in runner.machine.schedule() for _ in range(count)]


async def test_visits() -> None:
    """How often each site was visited."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        outcome = runner.run(TOYS.strategy("random"), 3, RandomData(3))
        visits = outcome.visits()
        assert visits.sum() == outcome.steps
        for number in range(len(SITES)):
            assert visits[number] == sum(site_of(code) == number for code in runner.machine.log[::2])


async def test_conflicts() -> None:
    """The ordered pairs of sites that met on a location, one of them writing."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        for seed in range(10):
            outcome = runner.run(TOYS.strategy("random"), seed, RandomData(seed))
            last: dict[int, tuple[int, int, bool]] = {}
            pairs, sums = set(), site_checksums()
            for code, slot in zip(runner.machine.log[::2], slots_of(runner), strict=True):
                place, writes = place_of(code), kind_of(code) in (WRITE, RMW)
                before, who, wrote = last.get(place, (0, slot, False))
                if who != slot and (writes or wrote):
                    pairs.add(sums[site_of(before)] << 32 | sums[site_of(code)])
                last[place] = code, slot, writes
            assert outcome.touches().conflicts().tolist() == sorted(pairs)


async def test_reads_from() -> None:
    """The site of a step that reads, and of the other actor's step that has written there last."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        for seed in range(10):
            outcome = runner.run(TOYS.strategy("random"), seed, RandomData(seed))
            written: dict[int, tuple[int, int | None]] = {}
            pairs, sums = set(), site_checksums()
            for code, slot in zip(runner.machine.log[::2], slots_of(runner), strict=True):
                by, who = written.get(place_of(code), (0, None))
                if kind_of(code) != WRITE and who != slot:
                    pairs.add(by << 32 | sums[site_of(code)])
                if kind_of(code) in (WRITE, RMW):
                    written[place_of(code)] = sums[site_of(code)], slot
            assert outcome.touches().reads_from().tolist() == sorted(pairs) and len(pairs) > 1


class Through(ToyScenario):
    """One thread loads and stores through an entry that the other makes and takes away: the counter
    is the TLB, the flag the memory.
    """

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        if cpu:
            await k.m.store(NOTE, k.counter, 1, make_pte(0, WRITE_BIT))
            await k.m.store(NOTE, k.counter, 1, 0)
        else:
            await k.m.access(SPIN, k.counter, 1, PRESENT, 0, k.flag, True)
            await k.m.access(ADD, k.counter, 1, PRESENT, 0, k.flag, False)


async def test_an_access_touches_the_tlb_and_the_memory() -> None:
    """Both are locations: taking the entry away conflicts with the access, and the TLB's name is in
    the digest.
    """
    catalogue = ToyCatalogue({"through": Through})
    async with open_runner(Case("through", (), "toy"), catalogue=catalogue) as runner:
        outcome = runner.run(Replay([(1, 1), (0, 2), (1, 1)]), 0, TapeData({}))
        names = {site_checksums()[site_of(code)]: code for code in (SPIN, ADD, NOTE)}
        assert {(names[pair >> 32], names[pair & 0xFFFFFFFF]) for pair in outcome.touches().conflicts().tolist()} == {
            (NOTE, SPIN),
            (ADD, NOTE),
        }
        assert [step.touches("counter", 1) for step in steps(runner.outcome(0).finished)] == [True] * 4
        assert [step.touches("flag", 0) for step in steps(runner.outcome(0).finished)] == [False, True, True, False]
        digest = outcome.digest()
        again = runner.run(Replay([(1, 1), (0, 2), (1, 1)]), 0, TapeData({}))
        runner.machine.log[3] ^= 1 << TLB_SHIFT
        assert again.digest() != digest


async def test_step_checks_agree_up_to_the_first_difference() -> None:
    """Equal before it, and different from it on."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        outcome = runner.run(TOYS.strategy("random"), 3, RandomData(3))
        whole = outcome.step_checks()
        assert len(whole) == CHECK_BYTES * outcome.steps
        for at in range(outcome.steps):
            again = runner.run(TOYS.strategy("random"), 3, RandomData(3))
            runner.machine.log[2 * at + 1] += 1
            checks = again.step_checks()
            assert checks[: CHECK_BYTES * at] == whole[: CHECK_BYTES * at]
            assert all(
                checks[n : n + CHECK_BYTES] != whole[n : n + CHECK_BYTES]
                for n in range(CHECK_BYTES * at, len(whole), CHECK_BYTES)
            )


async def test_every_field_enters_the_digest() -> None:
    """Actor, kind, site, column, index, value."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        digests = set()
        changes = [0, 1, 1 << FIELD_SHIFT, 1 << KIND_SHIFT, 1 << SITE_SHIFT]
        for change in changes:
            outcome = runner.run(TOYS.strategy("random"), 3, RandomData(3))
            runner.machine.log[4] ^= change
            digests.add(outcome.digest())
        outcome = runner.run(TOYS.strategy("random"), 3, RandomData(3))
        runner.machine.tape[0] ^= 1
        digests.add(outcome.digest())
        assert len(digests) == len(changes) + 1


async def test_digest_is_what_it_is() -> None:
    """The digest depends on names only: not on this process, its imports, its Python or its
    machine.
    """
    async with open_runner(CASE, catalogue=TOYS) as runner:
        outcome = runner.run(TOYS.strategy("sequential"), 3, TapeData({}))
        assert outcome.digest() == "1510a00237dcecf39d3928f3fedc79e7"


def test_checksums_stand_for_names() -> None:
    """No two names of the toy share a checksum, and tables go by number."""
    sums = site_checksums()
    assert len(sums) == len(SITES) == len(set(sums))
    columns = column_checksums(ToyKernel().layout)
    assert len(columns) == len(set(columns)) == 7


async def test_rows_are_little_endian_words() -> None:
    """The digest is taken over a fixed representation."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        rows = runner.run(TOYS.strategy("random"), 3, RandomData(3)).rows()
    assert rows.dtype == numpy.dtype("<i8")
    assert rows.shape[1] == 5


async def test_overlaps_are_those_of_the_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which operations began while another CPU was in one, against a plain count; the next
    execution begins at none.
    """
    running: dict[int, str] = {}
    counted: Counter[tuple[str, str]] = Counter()
    plain = Task._operation

    async def noted(self: Task, name: str, start: int, end: int, body: Any, keeps_markers: bool = False) -> Any:
        counted.update((other, name) for cpu, other in running.items() if cpu != self.cpu)
        running[self.cpu] = name
        result = await plain(self, name, start, end, body, keeps_markers)
        del running[self.cpu]
        return result

    monkeypatch.setattr(Task, "_operation", noted)
    async with open_runner(Case("storm", (("length", 8), ("order", 0), ("phase", 0)), "x86-64")) as runner:
        for seed in range(3):
            running.clear()
            counted.clear()
            outcome = runner.run(CATALOGUE.strategy("random"), seed, RandomData(seed))
            assert counted and outcome.overlaps() == dict(counted)


async def test_a_kernel_without_operations_has_no_overlaps() -> None:
    """The toy has no such column."""
    async with open_runner(CASE, catalogue=TOYS) as runner:
        assert runner.run(TOYS.strategy("random"), 3, RandomData(3)).overlaps() == {}
