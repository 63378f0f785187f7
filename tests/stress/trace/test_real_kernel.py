"""The tester on the real kernel: every scenario on every profile, under both drivers, and replayed
from its trace.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.patch.typed import Typed
from stress.trace.file import decode, encode, save
from stress.trace.record import Trace, capture
from stress.trace.replay import Mode, compare, replay
from stress.trace.report import PAGE_COLUMNS, listing, page

ROOT = Path(__file__).resolve().parents[3]
REPLAYS = 1000
LINES_MAX = 52
"""A screen."""
PROFILES = list(CATALOGUE.profiles())
SCENARIOS = list(CATALOGUE.scenarios())
FAULTS = ((), ("M05",))


def case_of(scenario: str, profile: str, number: int, faults: tuple[str, ...] = ()) -> Case:
    """Return a case with the parameter set of that number, which wraps."""
    known = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile), "small")
    return Case(scenario, tuple(sorted(known[number % len(known)].items())), profile, faults=faults)


async def traces(case: Case, driver: str, seeds: range, strategy: str = "random") -> list[Trace]:
    """Return the traces of some executions."""
    async with open_runner(case, driver) as runner:
        chooser = CATALOGUE.strategy(strategy)
        return [capture(await runner.execute(chooser, seed, RandomData(seed)), strategy) for seed in seeds]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_drivers_agree_and_traces_replay(scenario: str, profile: str) -> None:
    """Equal traces under both drivers, with and without a fault; and the last replays from its
    bytes.
    """
    for number, faults in enumerate(FAULTS):
        case = case_of(scenario, profile, number, faults)
        found = await traces(case, "fast", range(2))
        assert found == await traces(case, "reference", range(2))
        trace = decode(encode(found[-1]), "trace")
        async with replay(trace, Mode("reference")) as replayed:
            compare(trace, replayed.outcome)
            assert len(list(listing(replayed))) == trace.steps
            lines = page(replayed, Typed("trace")).splitlines()
            assert len(lines) <= LINES_MAX
            assert max(map(len, lines)) <= PAGE_COLUMNS


@pytest.mark.slow
async def test_a_thousand_replays(tmp_path: Path) -> None:
    """A thousand random traces, half of them under the other driver, in other processes with other
    hash seeds: as many equal digests.
    """
    strategies = list(CATALOGUE.strategies())
    number = 0
    while number < REPLAYS:
        scenario, profile = SCENARIOS[number % len(SCENARIOS)], PROFILES[number // 7 % len(PROFILES)]
        case = case_of(scenario, profile, number // 3, FAULTS[number % 2])
        for trace in await traces(case, "fast", range(number, number + 4), strategies[number // 5 % len(strategies)]):
            save(trace, tmp_path / f"{number:04}")
            number += 1
    children = []
    for rest, driver in enumerate(("fast", "reference")):
        words = [sys.executable, "-m", "tests.stress.trace.replay_many", driver, str(rest), str(tmp_path)]
        environment = {**os.environ, "PYTHONHASHSEED": str(4000 + rest)}
        children.append(subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
    answers = [child.communicate()[0] for child in children]
    assert answers == [f"{REPLAYS // 2} equal\n"] * 2
