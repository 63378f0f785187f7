"""Single transitions: made, taken back, saved and restored, and the same as in Python; transitions
whose footprints do not conflict commute.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import pytest

from sim.core import arena
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import TapeData
from stress.machine.driver import run_plain
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, searchable
from stress.native.runner import Library, NotCovered
from stress.native.search import space as search
from stress.native.search.explore import Ended, Executions, Exploration, StateReduction
from stress.native.search.space import UNNAMED, Footprint, StateSpace, Taken
from stress.strategies.replay import Replay
from tests.stress.native.compiled import cases, needs_compiler
from tests.stress.native.reductions import disagreement, explored

pytestmark = needs_compiler

SCENARIOS = ("munmap_vs_access", "munmap_vs_writeback", "dontneed_vs_fault", "fork_vs_munmap", "table_freed_elsewhere")
PROFILES = ("x86-64", "arm64-4k")

Ignored = Callable[[StateSpace], Iterable[int]]
"""Places of a space that a footprint is to be without."""


@pytest.fixture(scope="module")
def libraries() -> dict[str, Library]:
    return {profile: searchable(KernelKey(profile), SCENARIOS, CATALOGUE, QUICK) for profile in PROFILES}


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
                assert space.digest() == space.digest_anew()
            way, after = space.way[start:], space.digest()
            for _ in way:
                space.back()
            assert (space.digest(), runner.arena.snapshot()) == (before, arena)
            assert space.digest_anew() == before
            again(space, way)
            assert space.digest() == after
            space.restore(saved)
            assert (space.digest(), runner.arena.snapshot()) == (before, arena)
            assert space.digest_anew() == before
            again(space, way)
            assert space.digest() == after
            space.restore(saved)
            again(space, way[: chance.randrange(1, 20)])


async def test_a_first_transition_that_changes_nothing(tmp_path: Path) -> None:
    """It can be taken back like any other, and be the first that a process makes: here by a library
    that nobody has loaded before.
    """
    compiled = searchable(KernelKey("x86-64"), ["truncate_vs_fault"], CATALOGUE, QUICK)
    fresh = Library(Path(shutil.copy(compiled.path, tmp_path / "fresh.so")), compiled.manifest)
    async with open_runner(cases("truncate_vs_fault", "x86-64", "6.9")[0], "plain") as runner:
        space = StateSpace(fresh, runner)
        before, arena = space.digest(), runner.arena.snapshot()
        space.step(space.enabled[0])
        assert runner.arena.snapshot() == arena
        space.back()
        assert space.digest() == before


def test_there_and_back(opened: tuple[Library, Case]) -> None:
    """What is taken back, or restored, is as it was; what runs on from there comes to the same; and
    the name of a state, which is kept up, is that which it has if all of it is named anew.
    """
    run_plain(there_and_back(*opened))


def same_in_python(space: StateSpace, runner: Runner) -> None:
    """Compare the way of a space that stands at the end with its replay."""
    outcome = runner.run(Replay(space.runs()), 0, TapeData(space.tapes()))
    steps = len(runner.machine.log) // 2
    assert outcome.verdict.kind == "clean"
    assert space.codes[:steps] == runner.machine.log[::2]
    assert space.way[-1].last == steps


async def in_python(library: Library, case: Case, poisoned: bool = False) -> None:
    async with open_runner(case, "plain") as runner:
        space, chance = StateSpace(library, runner), random.Random(2)
        library.lib.zap_poison(int(poisoned))
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


def test_dead_words_are_not_read(libraries: dict[str, Library]) -> None:
    """Whatever stands in words of frames that are not read any more, executions are the same."""
    for profile, library in libraries.items():
        run_plain(in_python(library, cases("fork_vs_munmap", profile, "6.9")[0], poisoned=True))
        library.lib.zap_poison(0)


def footprint_of(space: StateSpace, slot: int) -> Footprint | None:
    """Return the footprint of an actor's next transition; None if it is bad."""
    if space.step(slot).why:
        return None
    found = space.footprint()
    space.back()
    return found


def without(footprint: Footprint, places: frozenset[int]) -> Footprint:
    return Footprint(footprint.touched - places, footprint.changed - places)


async def swapped(library: Library, case: Case, nr: int, ignored: Ignored | None = None) -> tuple[int, int]:
    """Swap neighbours that do not conflict, at random, and without what is ignored; return how many
    were swapped, and how many of these led to other states.
    """
    async with open_runner(case, "plain") as runner:
        space, chance, swaps, differ = StateSpace(library, runner), random.Random(3), 0, 0
        places = frozenset(ignored(space) if ignored else ())
        while swaps < nr:
            if not space.enabled:
                space.begin()
            pair = chance.sample(space.enabled, 2) if len(space.enabled) > 1 else []
            marks = [footprint_of(space, slot) for slot in pair]
            if pair and None not in marks:
                one, other = (without(mark, places) for mark in marks if mark)
                if not one.conflicts(other):
                    ends = [after(space, order) for order in (pair, pair[::-1])]
                    swaps, differ = swaps + 1, differ + (ends[0] is None or ends[0] != ends[1])
            if random_step(space, chance).why:
                space.begin()
        return swaps, differ


def after(space: StateSpace, order: list[int]) -> int | None:
    """Return the name of the state after transitions in this order, which are taken back; None if
    one of them cannot be made any more.
    """
    found, made = None, 0
    for slot in order:
        if slot not in space.enabled or space.step(slot).why:
            break
        made += 1
    else:
        found = space.digest()
    for _ in range(made):
        space.back()
    return found


def test_what_does_not_conflict_commutes(opened: tuple[Library, Case]) -> None:
    """Two transitions of which neither changes what the other touches lead to the same state in
    either order: the footprint is all that they read.
    """
    assert run_plain(swapped(*opened, 150)) == (150, 0)


def suspensions(space: StateSpace) -> Iterable[int]:
    """The places of the actors' suspension."""
    return range(space.world.words + 2, space.world.words + 2 + space.world.slots)


def waited(space: StateSpace) -> Iterable[int]:
    """The words that actors wait for."""
    layout = space.runner.arena.layout
    for field in layout.fields:
        if field.lock or field.waitable:
            first = layout.offsets[field.name] // arena.WORD
            yield from range(first, first + field.count)


@pytest.mark.parametrize("ignored", [suspensions, waited], ids=lambda f: f.__name__)
def test_rules_of_conflict_are_needed(ignored: Ignored, libraries: dict[str, Library]) -> None:
    """Without one of them, neighbours that are swapped lead to other states."""
    case = cases("munmap_vs_writeback", "x86-64", "6.9")[0]
    assert run_plain(swapped(libraries["x86-64"], case, 3000, ignored))[1]


@pytest.mark.parametrize(
    ("profile", "scenario"),
    [*product(PROFILES, ("munmap_vs_access", "dontneed_vs_fault")), ("x86-64", "fork_vs_munmap")],
)
def test_reduced_and_full_agree(scenario: str, profile: str, libraries: dict[str, Library]) -> None:
    """A reduced search comes to the same ends; one with sleep sets to the same states, with fewer
    transitions, though states come to again have somebody move who slept before.
    """
    found = run_plain(explored(libraries[profile], cases(scenario, profile, "6.9")[0], 1 << 20))
    full, sleeping = found[StateReduction.NONE], found[StateReduction.SLEEPING].extent
    assert (full.ended, full.why, disagreement(found)) == (Ended.COMPLETE, 0, "")
    assert sleeping.transitions < 0.9 * full.extent.transitions
    assert sleeping.woken


def test_reduced_and_full_refute_alike() -> None:
    """What breaks a rule in full breaks it reduced."""
    key, scenario = KernelKey("arm64-4k", "6.9", ("C02",)), "munmap_vs_writeback"
    faulty = searchable(key, [scenario], CATALOGUE, QUICK)
    found = run_plain(explored(faulty, cases(scenario, "arm64-4k", "6.9", faults=key.faults)[0]))
    assert (found[StateReduction.NONE].ended, disagreement(found)) == (Ended.FOUND, "")


async def test_nothing_is_done_before_the_first_transition(libraries: dict[str, Library], tmp_path: Path) -> None:
    """Of a search whose time is up before it begins, in a library that has searched nothing yet,
    and in one that has.
    """
    fresh = shutil.copy(libraries["x86-64"].path, tmp_path / "fresh.so")
    async with open_runner(cases("munmap_vs_access", "x86-64", "6.9")[0], "plain") as runner:
        space = StateSpace(Library(Path(fresh), libraries["x86-64"].manifest), runner)
        for _ in range(2):
            exploration = Exploration(space, StateReduction.NONE, 1 << 16)
            assert (exploration.share(), exploration.extent().states) == (0.0, 0)
            exploration.go_on(1000)
            assert exploration.extent().states > 0 and exploration.share() > 0


def finished(exploration: Exploration) -> Exploration:
    """Explore to the end."""
    while exploration.go_on(100_000) == Ended.NOT_YET:
        pass
    return exploration


async def other_ways(library: Library, case: Case) -> tuple[list[int], list[int]]:
    """Explore in full, by executions, and with 0, 1 and 2 preemptions; return the ends of the first
    two, and the states of the rest.
    """
    async with open_runner(case, "plain") as runner:
        space = StateSpace(library, runner)
        both = finished(Exploration(space, StateReduction.NONE, 1 << 20)), finished(Executions(space, 1 << 20))
        classes = both[1].extent().classes
        ends = [one.extent().ends for one in both]
        assert classes >= ends[1]
        bounded = [
            finished(Exploration(space, StateReduction.NONE, 1 << 20, most)).extent().deepest for most in range(3)
        ]
        return ends, [both[0].extent().deepest, *bounded]


def test_executions_and_bounds(libraries: dict[str, Library]) -> None:
    """Executions, one of each class, come to the same ends; bounded ones are no longer."""
    ends, depths = run_plain(other_ways(libraries["x86-64"], cases("munmap_vs_access", "x86-64", "6.9")[0]))
    assert ends[0] == ends[1]
    assert depths[1:] == sorted(depths[1:])
    assert depths[-1] <= depths[0]


async def ends_nameless(library: Library, case: Case, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return for each number of names, from 0 on, whether its space has met the limit; up to the
    first that suffices.
    """
    found = []
    async with open_runner(case, "plain") as runner:
        while not found or found[-1]:
            monkeypatch.setattr(search, "TOLD_APART", len(found))
            try:
                exploration = finished(Exploration(StateSpace(library, runner), StateReduction.NONE, 1 << 22))
            except NotCovered:
                found.append(True)
            else:
                assert exploration.why in (0, UNNAMED)
                found.append(exploration.space.is_limit(exploration.why))
    return found


def test_a_state_that_cannot_be_told_from_others_ends_the_search(
    libraries: dict[str, Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a limit: with a part of its step numbers or contents left out of its name, it would be
    taken for another, and what follows it for searched.
    """
    found = run_plain(ends_nameless(libraries["x86-64"], cases("dontneed_vs_fault", "x86-64", "6.9")[0], monkeypatch))
    assert 2 < len(found) < 64
