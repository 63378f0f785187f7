"""What the parallel machine records is a schedule: lockstep makes the same steps and leaves the
same state. Nobody can switch this off.

``--parallel-runs 50`` makes fifty runs of every scenario on every profile (tox -e parallel).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stress.catalogue import CATALOGUE
from stress.errors import FAILED
from stress.execution.outcome import Outcome
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.machine.protocols import Verdict
from stress.parallel.gang import Gang
from stress.parallel.recording import OVER, ProcessRaised, Recording, check_raised, replayed
from stress.parallel.settings import RunSettings
from stress.trace.file import decode, encode
from stress.trace.record import capture
from stress.trace.replay import Mode, compare, replay
from tests.stress.parallel.gangs import SMALL, STORM, apart, first_case, pair

PROFILES = list(CATALOGUE.profiles())

SWITCHES_FLOOR = 30
"""Switches between processes per 1,000 recorded steps, below which runs overlap too little to prove
anything.
"""


RUNS_MAX = 60
"""Runs in which M18 must have been seen at a pause."""


@pytest.fixture(scope="module")
def gang() -> Iterator[Gang]:
    """A persistent pair of processes."""
    with pair() as found:
        yield found


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_scenario_replays(gang: Gang, profile: str, request: pytest.FixtureRequest) -> None:
    """Digest, verdict and final model region, byte for byte."""
    runs = request.config.getoption("--parallel-runs")
    for at, scenario in enumerate(CATALOGUE.scenarios()):
        async with open_runner(first_case(scenario, profile, at)) as runner:
            for seed in range(runs):
                recording = gang.run(runner, seed)
                outcome = replayed(recording, runner, seed)
                assert (OVER, "", "clean") == (recording.ended, recording.symptom, outcome.verdict.kind), (
                    f"{scenario}, seed {seed}: {outcome.verdict.reason}"
                )
                assert recording.digest(runner) == outcome.digest()
                assert recording.model == runner.arena.block[: runner.arena.layout.model_bytes]
                assert recording.steps == outcome.steps == len(recording.codes)
    gang.forget()


@pytest.mark.parametrize("kernel", list(CATALOGUE.kernels()))
async def test_every_kernel_replays(gang: Gang, kernel: str) -> None:
    from dataclasses import replace

    for profile in PROFILES:
        async with open_runner(replace(first_case("storm", profile, 1), kernel=kernel)) as runner:
            recording = gang.run(runner, 3)
            assert ("clean", "") == (replayed(recording, runner, 3).verdict.kind, recording.symptom)
    gang.forget()


async def test_processes_overlap(gang: Gang) -> None:
    """With injected yields the order alternates between processes; runs that never overlap prove
    nothing.

    Over so many runs the yields alone make some 48 switches in 1,000 steps, also where both
    processes have but one core.
    """
    async with open_runner(STORM) as runner:
        gang.run(runner, 0)
        with apart(gang):
            recordings = [gang.run(runner, seed) for seed in range(60)]
    steps, switches = sum(len(r.codes) for r in recordings), sum(r.switches() for r in recordings)
    assert 1000 * switches / steps >= SWITCHES_FLOOR
    assert 1 < sum(r.pauses for r in recordings) / len(recordings), "audits at rest happen in the midst of runs"


async def test_all_actors_in_one_process_is_a_run_too(gang: Gang) -> None:
    async with open_runner(STORM) as runner:
        recording = gang.run(runner, 5, RunSettings(owners=(1,) * (runner.kernel.slots // 2)))
        assert 0 == recording.switches()
        assert "clean" == replayed(recording, runner, 5).verdict.kind


async def test_what_a_pause_shows_is_what_the_replay_and_its_trace_show(gang: Gang) -> None:
    """M18 leaves RSS wrong from the first zap on, and the audit of a pause ends the run there: the
    replay audits at the same step, and so does a replay of its trace.
    """
    found = 0
    async with open_runner(first_case("empty_tables", "x86-64", 1, ("M18",))) as runner:
        for seed in range(RUNS_MAX):
            recording = gang.run(runner, seed)
            outcome = replayed(recording, runner, seed)
            if recording.ended == "symptom" and recording.paused_at:
                found += 1
                assert recording.paused_at[-1] == len(recording.codes) >= outcome.steps
                assert "violation" == outcome.verdict.kind and "replay-differs" != title(outcome), (
                    outcome.verdict.reason
                )
                trace = decode(encode(capture(outcome, "parallel")), "the trace")
                async with replay(trace) as again:
                    compare(trace, again.outcome)
                async with replay(trace, Mode(without_faults=True)) as again:
                    assert "clean" == again.outcome.verdict.kind
            if found == 3:
                break
    assert found
    gang.forget()


async def test_an_exception_that_nothing_accounts_for_is_a_death(gang: Gang) -> None:
    """It is no violation: the verdict is inconclusive, the process counts as dead, and a single run
    ends with exit status 3.
    """
    async with open_runner(SMALL) as runner:
        recording = gang.run(runner, 1)
        recording.raised, recording.ended = (4711, "IndexError('torn')"), "error"
        recording.symptom = "IndexError('torn')"
        outcome = replayed(recording, runner, 1)
        assert ("inconclusive", [(4711, FAILED)]) == (outcome.verdict.kind, recording.killed)
        with pytest.raises(ProcessRaised, match="4711 .* IndexError"):
            check_raised(recording, outcome)
    assert FAILED == ProcessRaised.exit_status


async def test_what_differs_from_the_recording_is_a_violation(gang: Gang) -> None:
    """An edited value, an edited state and a symptom without a cause are each seen."""
    async with open_runner(SMALL) as runner:
        recording = gang.run(runner, 1)
        recording.values[7] += 1
        assert "differs" in title(replayed(recording, runner, 1)) and "step 8 was" in runner.machine.verdict.reason
        recording.values[7] -= 1
        model, recording.model = recording.model, bytes([recording.model[0] ^ 1]) + recording.model[1:]
        assert (
            "differs" in title(replayed(recording, runner, 1))
            and "all steps are as recorded" in runner.machine.verdict.reason
        )
        recording.model, recording.symptom = model, "something odd"
        assert "the parallel run saw: something odd" in replayed(recording, runner, 1).verdict.reason
        recording.symptom = ""
        assert "clean" == replayed(recording, runner, 1).verdict.kind


def title(outcome: Outcome) -> str:
    """Return the title of the violation that an outcome ended with."""
    assert outcome.verdict.violation is not None
    return outcome.verdict.violation.title


async def test_the_recorded_order_is_the_schedule_of_a_trace(gang: Gang) -> None:
    """A run given up half-way leaves a prefix that lockstep follows; the rest may be anybody's."""
    from stress.machine.chance import TapeData
    from stress.strategies.replay import Replay

    async with open_runner(STORM) as runner:
        recording = gang.run(runner, 2)
        half = cut(recording, len(recording.codes) // 2)
        outcome = runner.run(Replay(half.schedule(), then=CATALOGUE.strategy("random")), 2, TapeData(recording.tapes))
        assert Verdict().kind == outcome.verdict.kind
        assert runner.machine.log[: 2 * len(half.codes) : 2] == half.codes.tolist()


def cut(recording: Recording, steps: int) -> Recording:
    """Return the first steps of a recording."""
    from dataclasses import replace

    return replace(
        recording, codes=recording.codes[:steps], values=recording.values[:steps], slots=recording.slots[:steps]
    )


async def test_lockstep_does_not_depend_on_the_gang(gang: Gang) -> None:
    """Lockstep's execution of a seed is the same before and after runs of the parallel machine on
    the same runner.
    """
    async with open_runner(SMALL) as runner:
        before = runner.run(CATALOGUE.strategy("random"), 9, RandomData(9)).digest()
        replayed(gang.run(runner, 9), runner, 9)
        assert before == runner.run(CATALOGUE.strategy("random"), 9, RandomData(9)).digest()
