"""Single transitions: made, taken back, saved and restored, and the same as in Python; transitions
whose footprints do not conflict commute.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import TapeData
from stress.machine.driver import run_plain
from stress.native.build import QUICK
from stress.native.kernels import KernelKey, searchable
from stress.native.runner import Library
from stress.native.search.space import StateSpace, Taken
from stress.strategies.replay import Replay
from tests.stress.native.compiled import cache_in, cases, needs_compiler

pytestmark = needs_compiler

SCENARIOS = ("munmap_vs_access", "munmap_vs_writeback", "dontneed_vs_fault", "fork_vs_munmap", "empty_tables")
PROFILES = ("x86-64", "arm64-4k")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Library]]:
    with cache_in(Path(tmp_path_factory.mktemp("cache"))):
        yield {profile: searchable(KernelKey(profile), SCENARIOS, CATALOGUE, QUICK) for profile in PROFILES}


@pytest.fixture(params=[(s, p) for s in SCENARIOS for p in PROFILES], ids=lambda pair: "-".join(pair))
def opened(request: pytest.FixtureRequest, libraries: dict[str, Library]) -> tuple[Library, Case]:
    scenario, profile = request.param
    return libraries[profile], cases(scenario, profile, "6.9")[0]


def random_step(space: StateSpace, chance: random.Random) -> Taken:
    """Make a transition of some actor, with choices drawn at random."""
    slot = chance.choice(space.enabled)
    taken = space.step(slot)
    if taken.why or all(of < 2 for _, of in taken.drawn):
        return taken
    space.back()
    return space.step(slot, [chance.randrange(of) for _, of in taken.drawn])


def again(space: StateSpace, way: list[Taken]) -> None:
    for taken in way:
        assert space.step(taken.slot, [choice for choice, _ in taken.drawn]) == taken


async def there_and_back(library: Library, case: Case) -> None:
    async with open_runner(case, "plain") as runner:
        space, chance = StateSpace(library, runner), random.Random(1)
        while space.enabled:
            saved, before, arena = space.save(), space.digest(), runner.arena.snapshot()
            start = len(space.way)
            while space.enabled and len(space.way) < start + 40:
                assert not random_step(space, chance).why
            way, after = space.way[start:], space.digest()
            for _ in way:
                space.back()
            assert (space.digest(), runner.arena.snapshot()) == (before, arena)
            again(space, way)
            assert space.digest() == after
            space.restore(saved)
            assert (space.digest(), runner.arena.snapshot()) == (before, arena)
            again(space, way)
            assert space.digest() == after
            space.restore(saved)
            again(space, way[: chance.randrange(1, 20)])


def test_there_and_back(opened: tuple[Library, Case]) -> None:
    """What is taken back, or restored, is as it was; what runs on from there comes to the same."""
    run_plain(there_and_back(*opened))


def same_in_python(space: StateSpace, runner: Runner) -> None:
    """Compare the way of a space that stands at the end with its replay."""
    outcome = runner.run(Replay(space.runs()), 0, TapeData(space.tapes()))
    steps = len(runner.machine.log) // 2
    assert outcome.verdict.kind == "clean"
    assert space.codes[:steps] == runner.machine.log[::2]
    assert space.way[-1].last == steps


async def in_python(library: Library, case: Case) -> None:
    async with open_runner(case, "plain") as runner:
        space, chance = StateSpace(library, runner), random.Random(2)
        for _ in range(10):
            space.begin()
            while space.enabled:
                assert not random_step(space, chance).why
            assert not space.unfinished
            assert not space.audit()
            same_in_python(space, runner)


def test_python_says_the_same(opened: tuple[Library, Case]) -> None:
    """A way through a space is an execution of the lockstep machine, step for step."""
    run_plain(in_python(*opened))
