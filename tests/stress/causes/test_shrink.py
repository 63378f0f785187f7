"""The smallest form of a failure: fewer actors, switches and steps, and the same signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.few_calls import ANON, DONTNEED, LAST, NOTHING, PROTECTED, SHARED, WRITE_BACK
from stress.case import Case
from stress.cli.main import main
from stress.errors import Divergence
from stress.machine.driver import run_plain
from stress.trace.file import load, save
from stress.trace.record import Trace
from stress.workers.causes.attempts import Deadline, size_of
from stress.workers.causes.few import few_switches, schedules_nr
from stress.workers.causes.shrink import Shrinking
from stress.workers.causes.smaller import brought_forward, chunks, smaller
from tests.stress.causes.failures import failure, signature_in

LENGTHS = st.dictionaries(st.integers(0, 3), st.integers(1, 4), min_size=1, max_size=3)
RUNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=2, max_size=8)
HOUR = 3600.0


class Deletion(Shrinking):
    """Shrinks by deletion alone: what comes of it does not depend on the time."""

    def rounds(self) -> Iterator[tuple[int, list[Case]]]:
        yield 1, []

    def programs(self, scenario: str) -> Iterator[Case]:
        yield from ()


class Small(Deletion):
    """Searches its own scenario, once."""

    def rounds(self) -> Iterator[tuple[int, list[Case]]]:
        yield 1, self.cases(self.best.case.scenario)[:4]


@pytest.mark.parametrize(
    ("fault", "actors", "switches", "steps"),
    [("C02", 2, 1, 26), ("M05", 2, 2, 54), ("M14", 2, 2, 47), ("M18", 1, 0, 30), ("M21", 2, 1, 35)],
)
def test_deletion_leaves_what_matters(fault: str, actors: int, switches: int, steps: int) -> None:
    """Of the first failure that is found of each fault; another model may need other numbers."""
    kept: list[Trace] = []
    found = run_plain(Deletion(failure(fault), Deadline(HOUR), keep=kept.append).run())
    assert (actors, switches) == found.after[:2]
    assert steps >= found.after.steps
    assert found.after == size_of(found.trace.schedule) < found.before
    assert found.trace == kept[-1]
    assert failure(fault).ending.signature == found.trace.ending.signature == run_plain(signature_in(found.trace))


def test_the_small_end_is_searched() -> None:
    """From a failure of a large folio to one of a small one."""
    large = next(
        case
        for case in Small(failure("C02"), Deadline(HOUR)).cases("munmap_vs_writeback")
        if dict(case.params)["order"]
    )
    trace = run_plain(in_case(large))
    found = run_plain(Small(trace, Deadline(HOUR)).run())
    assert 0 == dict(found.trace.case.params)["order"]
    assert found.after.steps < found.before.steps
    assert "nothing smaller" in found.ended and "4 parameter sets" in found.ended


class Programs(Deletion):
    """Searches the smallest programs with these parameters."""

    def __init__(self, fault: str, some: dict[str, int]) -> None:
        super().__init__(failure(fault), Deadline(HOUR))
        self.some = some

    def programs(self, scenario: str) -> Iterator[Case]:
        for case in Shrinking.programs(self, scenario):
            if self.some.items() <= dict(case.params).items():
                yield case


@pytest.mark.parametrize(
    ("fault", "some", "size"),
    [
        ("M05", {"one": DONTNEED, "two": NOTHING, "memory": ANON}, (1, 0, 27)),
        ("M03", {"one": DONTNEED, "two": NOTHING, "memory": PROTECTED, "used": LAST}, (1, 0, 20)),
        ("C02", {"one": DONTNEED, "two": WRITE_BACK, "folios": 1, "order": 0, "memory": SHARED}, (2, 1, 25)),
    ],
)
def test_the_smallest_programs_are_searched(fault: str, some: dict[str, int], size: tuple[int, int, int]) -> None:
    """A call alone, where one is enough, and two calls with as few switches as can be."""
    found = run_plain(Programs(fault, some).run())
    assert "few_calls" == found.trace.case.scenario
    assert size >= found.after < found.before
    assert failure(fault).ending.signature == run_plain(signature_in(found.trace))


async def in_case(case: Case) -> Trace:
    """Return a failure of C02 in a case."""
    shrinking = Shrinking(failure("C02"), Deadline(HOUR))
    async with shrinking.opened(case) as attempts:
        shrinking.try_all(attempts, {})
        assert attempts.best is not None
        return attempts.best


def test_no_time_is_told() -> None:
    found = run_plain(Deletion(failure("C02"), Deadline(0)).run())
    assert found.ended.startswith("the time was up")
    assert found.before == found.after


def test_a_failure_that_is_not_there_is_told() -> None:
    """The clean kernel does not show it."""
    trace = failure("C02")
    with pytest.raises(Divergence, match="does not show its failure"):
        run_plain(Deletion(replace(trace, case=replace(trace.case, faults=())), Deadline(HOUR)).run())


# -- what is tried ---------------------------------------------------------------------------------------------------


@given(LENGTHS, st.integers(0, 2))
def test_all_schedules_with_few_switches(lengths: dict[int, int], preemptions: int) -> None:
    """They are as many as they are said to be, all different, and have so many preemptions."""
    made = [tuple(runs) for runs in few_switches(lengths, preemptions)]
    assert schedules_nr(lengths, preemptions) == len(made) == len(set(made))
    assert all(preemptions + 1 == len(runs) for runs in made)
    assert all(one[0] != other[0] for runs in made for one, other in pairwise(runs))


@given(RUNS, st.data())
def test_a_run_that_is_brought_forward_keeps_all_steps(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    """Each actor makes as many steps as before."""
    after = brought_forward(runs, data.draw(st.integers(1, len(runs) - 1)))
    assert size_of(runs).steps == size_of(after).steps
    for slot in range(4):
        assert sum(n for s, n in runs if s == slot) == sum(n for s, n in after if s == slot)


@given(st.integers(2, 40))
def test_chunks_cover_a_list(length: int) -> None:
    """At last every single element."""
    assert set(range(length)) == {start for start, end in chunks(length) if end - start == 1}
    assert all(0 <= start < end <= length for start, end in chunks(length))


@given(RUNS, st.dictionaries(st.integers(0, 3), st.lists(st.integers(0, 2), max_size=5), max_size=3))
def test_changes_are_changes(runs: list[tuple[int, int]], tapes: dict[int, list[int]]) -> None:
    """Tapes never get longer, or get choices that are not plain."""
    before = sum(map(len, tapes.values())), sum(choice > 0 for tape in tapes.values() for choice in tape)
    for _, plainer in smaller(runs, tapes):
        after = sum(map(len, plainer.values())), sum(choice > 0 for tape in plainer.values() for choice in tape)
        assert after[0] <= before[0] and after[1] <= before[1]


# -- the command -----------------------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a failure's folder the form is put beside the trace, and it is smaller."""
    save(failure("C02"), tmp_path / "trace")
    assert 0 == main(["shrink", str(tmp_path), "--seconds", "1", "--no-native", "--json"])
    found = json.loads(capsys.readouterr().out)
    form = load(tmp_path / "shrunk")
    assert str(tmp_path / "shrunk") == found["output"] and found["replays"]
    assert {"actors": 2, "switches": 1, "steps": form.steps} == found["after"]
    assert form.steps < failure("C02").steps == found["before"]["steps"]
    assert failure("C02").ending.signature == form.ending.signature == found["signature"]


def test_command_refuses_what_does_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = tmp_path / "clean"
    assert 0 == main(["run", "munmap_vs_access", "--save", str(clean)])
    assert 2 == main(["shrink", str(clean), "--no-native"])
    assert "ends clean: there is no schedule to shrink" in capsys.readouterr().err
