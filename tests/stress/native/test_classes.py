"""Classes of executions: the native core and Python name them alike; neighbours that do not depend
on each other may change places, and what does not may not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.outcome import Outcome
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import TapeData
from stress.machine.driver import run_plain
from stress.machine.noted import NotedMachine
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, library, searchable
from stress.native.runner import Library, NativeCase
from stress.native.search.classes import NativeClasses, PythonClass
from stress.native.search.space import DRAWN_MAX, StateSpace
from stress.sources import ROOT
from stress.strategies.replay import Replay
from stress.workers.measure.shown import in_c, in_python
from tests.stress.native.compiled import cache_in, cases, needs_compiler

pytestmark = needs_compiler

SCENARIOS = ("munmap_vs_access", "munmap_vs_writeback", "fork_vs_munmap", "table_freed_elsewhere", "fork_again")
"""In the last checkers stop on their way through slices."""

Runs = list[tuple[int, int]]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, Library]:
    """Return a kernel in both flavours."""
    key = KernelKey("x86-64")
    with cache_in(Path(tmp_path_factory.mktemp("cache"))):
        return library(key, SCENARIOS, CATALOGUE, QUICK), searchable(key, SCENARIOS, CATALOGUE, QUICK)


def runs_of(turns: list[int]) -> Runs:
    ends = turns[1::2]
    return [(slot, end - before) for slot, end, before in zip(turns[::2], ends, [0, *ends], strict=False)]


def again_in_python(noted: Runner, runs: Runs, tapes: dict[int, list[int]]) -> int:
    assert isinstance(noted.machine, NotedMachine)
    found = PythonClass(noted.machine)
    assert "clean" == noted.run(Replay(runs), 0, TapeData(tapes)).verdict.kind
    return found.name()


async def both(
    kernels: tuple[Library, Library], case: Case, strategy: str, seeds: range
) -> list[tuple[int | None, int]]:
    async with open_runner(case, "plain") as runner, open_runner(case, "plain", noted=True) as noted:
        native, classes = NativeCase(kernels[0], runner), NativeClasses(StateSpace(kernels[1], runner))
        chooser, found = CATALOGUE.strategy(strategy), []
        for seed in seeds:
            assert 1 == native.run(chooser, seed).clean
            made = classes.of_last(native)
            found.append((made, again_in_python(noted, runs_of(native.turns()), native.tapes())))
        return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_python_names_the_same_class(scenario: str, kernels: tuple[Library, Library]) -> None:
    """Also where a service ends its body and begins it again at once."""
    found = run_plain(both(kernels, cases(scenario, "x86-64", "6.9")[-1], "pos", range(12)))
    assert all(native == python for native, python in found)
    assert 1 < len(set(found))


async def followed(kernels: tuple[Library, Library], case: Case, strategy: str) -> tuple[list[int], list[int]]:
    """Return the states of an execution as they are named on its way, and as a search names them."""
    async with open_runner(case, "plain") as runner:
        native, space = NativeCase(kernels[0], runner), StateSpace(kernels[1], runner)
        classes, found = NativeClasses(space), list[int]()
        ran = native.run(CATALOGUE.strategy(strategy), 5)
        shown, tapes = in_c(native, ran, classes), {slot: list(tape) for slot, tape in native.tapes().items()}
        space.begin()
        turns = native.turns()
        for slot, end in zip(turns[::2], turns[1::2], strict=True):
            made = -1
            while made < end:
                taken = space.step(slot, tapes.get(slot, [])[:DRAWN_MAX])
                assert not taken.why
                del tapes.get(slot, [])[: len(taken.drawn)]
                found.append(space.digest())
                made = taken.last
        return [int(name) for name in shown.states], found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_states_are_named_as_a_search_names_them(scenario: str, kernels: tuple[Library, Library]) -> None:
    named, searched = run_plain(followed(kernels, cases(scenario, "x86-64", "6.9")[-1], "pos"))
    assert named == searched and len(named) > 20


SHOWN = """
import sys
from importlib import import_module
for module in sys.argv[1:]:
    import_module(module)
from tests.stress.native.test_classes import shown_here
print(shown_here())
"""
"""Prints what executions show, in a process that has imported some modules first."""


def shown_here() -> list[tuple[int, list[int], list[int]]]:
    """Return what three executions show, by kernels that the user's cache has."""

    async def run() -> list[tuple[int, list[int], list[int]]]:
        key, found = KernelKey("x86-64"), []
        executing, single = (get(key, SCENARIOS, CATALOGUE, QUICK) for get in (library, searchable))
        async with open_runner(cases("fork_again", "x86-64", "6.9")[0], "plain") as runner:
            native, classes = NativeCase(executing, runner), NativeClasses(StateSpace(single, runner))
            for seed in range(3):
                shown = in_c(native, native.run(CATALOGUE.strategy("pos"), seed), classes)
                found.append(
                    (shown.name, *([int(name) for name in names] for names in (shown.reads_from, shown.states)))
                )
        return found

    return run_plain(run())


def test_names_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Wherever memory lies, and whatever numbers sites have."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    found = [
        subprocess.run([sys.executable, "-c", SHOWN, *first], cwd=ROOT, env=environment, capture_output=True, text=True)
        for first in ((), ("sim.arch.s390x", "sim.mm.truncate"))
    ]
    assert not any(one.returncode for one in found), found[-1].stderr
    assert found[0].stdout == found[1].stdout and 3 == len(eval(found[0].stdout))


def name_of(outcome: Outcome, noted: Runner) -> int:
    return in_python(outcome, noted).name


async def swapped(case: Case) -> list[tuple[bool, bool]]:
    """Swap the parts of neighbouring turns at one point of an execution after the other; return
    whether the swap left the class as it was, and whether it left what the arena holds.
    """
    async with open_runner(case, "plain") as runner, open_runner(case, "plain", noted=True) as noted:
        outcome = runner.run(CATALOGUE.strategy("random"), 3, TapeData({}))
        name, end, found = name_of(outcome, noted), noted.arena.model_hash(), []
        runs = outcome.finished.turns()
        for k in range(len(runs) - 1):
            (a, n), (b, m) = runs[k : k + 2]
            if n > 1 and m > 1:
                other = [*runs[:k], (a, n - 1), (b, 1), (a, 1), (b, m - 1), *runs[k + 2 :]]
                again = runner.run(Replay(other, tolerant=True), 3, TapeData({}))
                same = name_of(again, noted) == name
                found.append((same, noted.arena.model_hash() == end))
        return found


def test_a_class_is_kept_where_neighbours_are_swapped_that_do_not_depend_on_each_other() -> None:
    """And what is left in memory is the same then, but for versions of contents."""
    found = run_plain(swapped(cases("munmap_vs_writeback", "x86-64", "6.9")[0]))
    kept = [end for same, end in found if same]
    assert kept
    assert all(kept)
    assert len(kept) < len(found), "some neighbours depend on each other"
