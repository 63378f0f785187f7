"""Racing: the search knows every end, and real threads come to no other."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from stress.conform.agents import Agents
from stress.conform.procfs import Frames
from stress.conform.races import Races, ends_of, exit_status, race, run
from stress.conform.racing import LinuxRace, ModelRace, parts, race_text
from stress.conform.seeds import race_from_seed
from stress.conform.session import machine_profile, nearest_kernel
from stress.conform.worker import Setting, composer
from stress.discovery import CATALOGUE, Catalogue
from stress.errors import CLEAN
from stress.programs.operations import Dontneed, Fill, Fork, Load, Map, Operation, Store, Thread, Unmap
from stress.programs.program import Program
from stress.programs.space import THREADS_MAX
from tests.conformance.alterations import ALTERATIONS
from tests.conformance.machine import needs_the_kernel

KERNEL = nearest_kernel(platform.release(), list(CATALOGUE.kernels()))
EXECUTIONS_MAX = 4000
BEGINNING = (Map(0, 0, 4, -1, 0, 0), Fill(0, 0, 2), Thread(0))

RACES: dict[str, tuple[tuple[Operation, ...], tuple[Operation, ...], int]] = {
    "two stores to one page": (BEGINNING, (Store(0, 0), Store(1, 0)), 2),
    "a store and MADV_DONTNEED": (BEGINNING, (Store(0, 0), Dontneed(1, 0, 2)), 2),
    "a load and munmap": (BEGINNING, (Load(0, 0), Unmap(1, 0, 1)), 2),
    "two pages": (BEGINNING, (Store(0, 0), Store(1, 1)), 1),
    "a page that is shared since fork": ((*BEGINNING[:2], Fork(0)), (Store(0, 0), Dontneed(1, 0, 2)), 1),
}
"""(beginning, race, number of ends), counted by hand: which store is last; whether the page is there or gone; whether the load faults. Whether a
page is copied or reused shows in no end."""


def explored(operations: tuple[Operation, ...], race: tuple[Operation, ...], kernel: str = "6.18") -> tuple[set[object], bool]:
    model = ModelRace(*composer(CATALOGUE, Setting("x86-64", kernel)), Program(0, 0, 16, (), (), operations, race))
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
    assert "kernel" in race_text(stranger, ends) and parts(stranger)


@needs_the_kernel
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="racing needs 2 CPUs")
def test_real_threads_end_as_the_model_can(tmp_path: Path) -> None:
    races = run(Setting(machine_profile(), KERNEL), CATALOGUE, 60, 17, tmp_path, lambda so_far: None)
    assert exit_status(races) == CLEAN and races.rounds == 60 and races.conclusive, races.unexplained


class Altered(Catalogue):
    """The catalogue whose one fault is an alteration."""

    def fault_class(self, name: str) -> type:
        return ALTERATIONS[name]


@needs_the_kernel
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="racing needs 2 CPUs")
@pytest.mark.parametrize("name", ["zap_forgets_one_in_rss", "fault_makes_pages_not_exclusive", "zap_stops_one_page_early"])
def test_an_altered_model_does_not_explain_what_threads_do(name: str, tmp_path: Path) -> None:
    setting, program = Setting(machine_profile(), KERNEL, (name,)), Program(0, 0, 16, (), (), BEGINNING, (Store(0, 3), Dontneed(1, 0, 2)))
    agents, frames, cpus = Agents(THREADS_MAX), Frames(), sorted(os.sched_getaffinity(0))[:2]
    altered, sound = Races(setting, 0, tmp_path), Races(setting, 0, tmp_path)
    for races, catalogue in ((altered, Altered()), (sound, CATALOGUE)):
        known = ends_of(setting if catalogue is not CATALOGUE else replace(setting, faults=()), catalogue, program)
        race(races, program, known, 10, lambda it: LinuxRace(agents, frames, it, cpus))
    agents.close()
    frames.close()
    assert not sound.unexplained and sound.conclusive == 10
    assert altered.unexplained[0].why.startswith("the model cannot end so")


def test_a_racing_program_has_two_threads_left() -> None:
    for seed in range(50):
        program = race_from_seed(seed)
        space = program.space()
        for operation in program.operations:
            operation.effect(space)
        assert sorted(space.threads) == [0, 1] and program.race
