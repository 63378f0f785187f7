"""Racing: the search knows every end, and real threads come to no other."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from stress.catalogue import CATALOGUE, Catalogue
from stress.cli.main import main
from stress.conform.draw import race_from_seed
from stress.conform.linux.events import RETRIES_MAX, EventCounters, settle
from stress.conform.model.spec import ModelSpec, composer, machine_profile, nearest_kernel
from stress.conform.observation import Difference
from stress.conform.race import ModelRace, between, unlike
from stress.conform.race_session import Racers, Races, exit_status, keep, race, run, run_program
from stress.errors import CLEAN, INCONCLUSIVE, VIOLATED, UsageError
from stress.programs.file import load, loads
from stress.programs.on_files import Sync
from stress.programs.operation import Operation
from stress.programs.operations import Dontneed, Exit, Fill, Fork, LoadWord, Map, StoreWord, Thread, Unmap
from stress.programs.program import Program
from tests.conformance.alterations import ALTERATIONS
from tests.conformance.machine import needs_the_kernel

KERNEL = nearest_kernel(platform.release(), list(CATALOGUE.kernels()))
EXECUTIONS_MAX = 4000
BEGINNING = (Map(0, 0, 4, -1, 0, 0), Fill(0, 0, 2), Thread(0))

RACES: dict[str, tuple[tuple[Operation, ...], tuple[Operation, ...], int]] = {
    "two stores to one page": (BEGINNING, (StoreWord(0, 0), StoreWord(1, 0)), 2),
    "a store and MADV_DONTNEED": (BEGINNING, (StoreWord(0, 0), Dontneed(1, 0, 2)), 2),
    "a load and munmap": (BEGINNING, (LoadWord(0, 0), Unmap(1, 0, 1)), 2),
    "two pages": (BEGINNING, (StoreWord(0, 0), StoreWord(1, 1)), 1),
    "a page that is shared since fork": ((*BEGINNING[:2], Fork(0)), (StoreWord(0, 0), Dontneed(1, 0, 2)), 1),
}
"""(beginning, race, number of ends), counted by hand: which store is last; whether the page is
there or gone; whether the load faults. Whether a page is copied or reused shows in no end.
"""


def explored(
    operations: tuple[Operation, ...], race: tuple[Operation, ...], kernel: str = "6.18"
) -> tuple[set[object], bool]:
    model = ModelRace(*composer(CATALOGUE, ModelSpec("x86-64", kernel)), Program(0, 0, 16, (), (), operations, race))
    found = model.ends(EXECUTIONS_MAX)
    model.close()
    return found.ends, found.exhausted


@pytest.mark.parametrize("name", RACES)
def test_the_search_finds_every_end(name: str) -> None:
    operations, race, count = RACES[name]
    ends, exhausted = explored(operations, race)
    assert exhausted and len(ends) == count


def test_what_is_no_end_is_told_apart() -> None:
    ends, _ = explored(*RACES["two stores to one page"][:2])
    others, _ = explored(*RACES["a load and munmap"][:2])
    stranger = next(iter(others))
    assert stranger not in ends
    found = unlike(stranger, ends)
    assert found and found == min((between(end, stranger) for end in ends), key=len)
    assert not between(stranger, stranger) and {"result", "present"} & {difference.what for difference in found}


@needs_the_kernel
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="racing needs 2 CPUs")
def test_real_threads_end_as_the_model_can(tmp_path: Path) -> None:
    races = run(ModelSpec(machine_profile(), KERNEL), CATALOGUE, 60, 17, tmp_path, lambda so_far: None)
    assert exit_status(races) == CLEAN and races.rounds == 60 and races.conclusive, races.unexplained


class Altered(Catalogue):
    """The catalogue whose one fault is an alteration."""

    def fault_class(self, name: str) -> type:
        return ALTERATIONS[name]


@needs_the_kernel
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="racing needs 2 CPUs")
@pytest.mark.parametrize(
    "name", ["zap_forgets_one_in_rss", "fault_makes_pages_not_exclusive", "zap_stops_one_page_early"]
)
def test_an_altered_model_does_not_explain_what_threads_do(name: str, tmp_path: Path) -> None:
    """What it does not explain is made small, kept, and raced again from its file: by the altered
    model, and by the sound one.
    """
    spec, start = (
        ModelSpec(machine_profile(), KERNEL, (name,)),
        Program(0, 0, 16, (), (), BEGINNING, (StoreWord(0, 3), Dontneed(1, 0, 2))),
    )
    races = Races(spec, 0, tmp_path)
    with Racers(spec, Altered()) as racers:
        race(races, racers, start, 10)
    (found,) = races.unexplained
    assert exit_status(races) == VIOLATED and found.smallest and found.differences
    small = load(keep(races, found))
    assert small == found.program and small.race and small.pages < start.pages
    assert exit_status(run_program(spec, Altered(), small, 10, tmp_path)) == VIOLATED
    assert exit_status(run_program(replace(spec, faults=()), CATALOGUE, small, 10, tmp_path)) == CLEAN


@needs_the_kernel
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="racing needs 2 CPUs")
def test_a_kept_race_is_raced_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "race.json").write_text(
        Program(0, 0, 16, (), (), BEGINNING, (StoreWord(0, 0), Dontneed(1, 0, 2))).dumps()
    )
    assert main(["conform", "--program", str(tmp_path / "race.json"), "--racing", "7", "--json"]) == CLEAN
    data = json.loads(capsys.readouterr().out)
    assert (data["rounds"], data["conclusive_rounds"], data["programs"]) == (7, 7, 1)


def test_a_round_that_is_always_set_aside_explains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is inconclusive, and no difference; one that the condition does not concern is a
    difference at once.
    """
    program = Program(0, 0, 16, (), (), BEGINNING, (StoreWord(0, 0), StoreWord(1, 0)))
    monkeypatch.setattr(EventCounters, "moved", lambda self: ["writeback"])
    dirty, mapcount = (Difference(f"page.{field}", "process 0 page 0", 0, 1) for field in ("dirty", "mapcount"))
    aside, counted = settle(program, lambda: (None, [dirty])), settle(program, lambda: (None, [dirty, mapcount]))
    assert (aside.differences, aside.given_up, aside.excluded["writeback"]) == ((), True, RETRIES_MAX)
    assert (counted.differences, counted.given_up, counted.excluded["writeback"]) == ((dirty, mapcount), False, 0)
    own = settle(replace(program, operations=(Sync(0, 0, 0, 1),)), lambda: (None, [dirty]))
    assert (own.differences, own.given_up, own.excluded["writeback"]) == ((dirty,), False, RETRIES_MAX - 1)
    assert (
        exit_status(Races(ModelSpec("x86-64", KERNEL), 0, tmp_path, rounds=2, conclusive=1, given_up=1)) == INCONCLUSIVE
    )


@pytest.mark.parametrize(
    ("operations", "race", "rule"),
    [
        (BEGINNING[:2], (StoreWord(0, 0),), "a race begins with threads 0 to 1 alive"),
        (BEGINNING, (StoreWord(2, 0),), "thread 2 is no racer"),
        (BEGINNING, (Fill(0, 0, 2),), "fill cannot race"),
        (BEGINNING, (Fork(0), Fork(1)), "a race forks at most once, and not 2 times"),
        ((*BEGINNING, Thread(0)), (StoreWord(0, 0),), "a race begins with threads 0 to 1 alive"),
        ((*BEGINNING, Exit(1)), (StoreWord(0, 0),), "a race begins with threads 0 to 1 alive"),
    ],
)  # fmt: skip
def test_what_cannot_be_raced_is_refused(
    operations: tuple[Operation, ...], race: tuple[Operation, ...], rule: str
) -> None:
    with pytest.raises(UsageError, match=rule):
        loads(Program(0, 0, 16, (), (), operations, race).dumps())


def test_a_racing_program_has_two_threads_left() -> None:
    for seed in range(50):
        program = race_from_seed(seed)
        space = program.space()
        for operation in program.operations:
            operation.effect(space)
        assert sorted(space.threads) == [0, 1] and program.race
