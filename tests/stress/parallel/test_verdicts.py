"""How runs of the parallel machine end: clean, found, stuck, full, mistaken, killed; and that the
processes truly race.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.errors import ScenarioError, UsageError
from stress.execution.runner import open_runner
from stress.parallel.gang import Gang, Missing
from stress.parallel.recording import OVER, replayed
from stress.parallel.settings import RunSettings
from stress.rng import WORD_BITS, words
from stress.sources import OVERDUE
from tests.stress.campaign_toys import SPEC, TOYS
from tests.stress.parallel.gangs import ADDING, ADDING_SPEC, STORM, TORN, apart, first_case, pair

SEARCH_RUNS_MAX = 600
"""Budget to find a planted fault, or a lost update, with injected yields; a few dozen runs do as a
rule.
"""

SHALLOW = [name for name in CATALOGUE.faults() if not getattr(CATALOGUE.fault_class(name), "depth", 0)]
"""Faults that need no schedule: the parallel machine is not expected to meet the others."""

WAIT_SECONDS_MAX = 60.0
"""How long a process may take to end before the test is given up."""


@pytest.fixture(scope="module")
def gang() -> Iterator[Gang]:
    with pair() as found:
        yield found


@pytest.fixture(scope="module")
def toys() -> Iterator[Gang]:
    with pair(SPEC, 1 << 12) as found:
        yield found


def toy(scenario: str, *faults: str) -> Case:
    params = (("rounds", 3),) if scenario == "counters" else ()
    return Case(scenario, params, "toy", faults=faults)


# -- toys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["counters", "mailbox"])
async def test_clean(toys: Gang, scenario: str) -> None:
    async with open_runner(toy(scenario), catalogue=TOYS) as runner:
        for seed in range(20):
            recording = toys.run(runner, seed)
            assert (OVER, "clean") == (recording.ended, replayed(recording, runner, seed).verdict.kind)


async def test_a_lost_update_is_found(toys: Gang) -> None:
    """The audit at the end sees it, and the replay gives it the signature that lockstep gives it."""
    async with open_runner(toy("counters", "T01"), catalogue=TOYS) as runner:
        for seed in range(SEARCH_RUNS_MAX):
            recording = toys.run(runner, seed)
            outcome = replayed(recording, runner, seed)
            if outcome.verdict.kind == "violation":
                break
        assert outcome.verdict.violation is not None
        assert ("T1", True) == (outcome.verdict.violation.checker, "lost-update" in recording.symptom)


async def test_a_deadlock_is_reported_with_its_cycle(toys: Gang) -> None:
    """The run sees the cycle, and so does the replay, which is lockstep's own."""
    async with open_runner(toy("abba"), catalogue=TOYS) as runner:
        for seed in range(SEARCH_RUNS_MAX):
            recording = toys.run(runner, seed)
            outcome = replayed(recording, runner, seed)
            if recording.ended == "deadlock":
                break
        assert outcome.verdict.violation is not None and "deadlock" == outcome.verdict.violation.checker
        for words in (recording.symptom, outcome.verdict.reason):
            assert (
                "t0 in toy_lock waits for lock[1] held by t1" in words
                and "t1 in toy_lock waits for lock[0] held by t0" in words
            )


async def test_a_lost_wakeup_is_one_too(toys: Gang) -> None:
    async with open_runner(toy("forgotten"), catalogue=TOYS) as runner:
        recording = toys.run(runner, 0)
        outcome = replayed(recording, runner, 0)
    assert outcome.verdict.violation is not None
    assert ("deadlock", "lost-wakeup") == (recording.ended, outcome.verdict.violation.title)


@pytest.mark.parametrize("scenario", ["endless", "spin"])
async def test_a_full_log_ends_the_run_cleanly(toys: Gang, scenario: str) -> None:
    async with open_runner(toy(scenario), catalogue=TOYS) as runner:
        recording = toys.run(runner, 0)
        outcome = replayed(recording, runner, 0)
        assert ("log full", "inconclusive", 1 << 12) == (recording.ended, outcome.verdict.kind, len(recording.codes))
        assert "log full" in outcome.verdict.reason


async def test_a_mistake_in_a_scenario_is_raised_by_the_replay(toys: Gang) -> None:
    async with open_runner(toy("mistaken"), catalogue=TOYS) as runner:
        recording = toys.run(runner, 0)
        assert "error" == recording.ended and "a mistake in a scenario" in recording.symptom
        with pytest.raises(ScenarioError, match="LookupError: a mistake in a scenario"):
            replayed(recording, runner, 0)


async def test_a_process_that_kills_itself_ends_the_run(toys: Gang) -> None:
    """What it recorded before is kept, the other process is released, and the next run has two
    again.
    """
    async with open_runner(toy("deadly"), catalogue=TOYS) as runner:
        recordings = [toys.run(runner, seed) for seed in range(80)]
    killed = [recording for recording in recordings if recording.ended == "killed"]
    assert killed and [-signal.SIGKILL] * len(killed) == [
        status for recording in killed for _, status in recording.killed
    ]
    assert {"killed", OVER} == {recording.ended for recording in recordings}


# -- the real kernel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", SHALLOW)
async def test_planted_faults_are_found(gang: Gang, fault: str) -> None:
    """With injected yields; the replay gives the failure the checker that lockstep finds it with."""
    silent = CATALOGUE.fault_class(fault).silent  # type: ignore[attr-defined]
    profile = next(name for name in ("x86-64", "s390x") if name not in silent)
    assert await found(gang, fault, profile), f"{fault} was not found on {profile} in {SEARCH_RUNS_MAX} runs"
    gang.forget()


async def found(gang: Gang, fault: str, profile: str) -> str:
    """Return the checker that finds ``fault``, or nothing."""
    scenarios, each = list(CATALOGUE.scenarios()), 6
    for at in range(SEARCH_RUNS_MAX // each):
        case = first_case(scenarios[at % len(scenarios)], profile, at // len(scenarios), (fault,))
        async with open_runner(case) as runner:
            for seed in range(each):
                outcome = replayed(gang.run(runner, seed), runner, seed)
                if outcome.verdict.violation is not None:
                    assert "parallel" != outcome.verdict.violation.checker, outcome.verdict.reason
                    return outcome.verdict.violation.checker
    return ""


async def test_a_torn_put_loses_an_update() -> None:
    """Proof that processes race: references put by a load and a store step."""
    with pair(TORN.spec) as torn:
        async with open_runner(
            Case("teardown_of_sharers", (("dirty", 0), ("order", 0)), "x86-64", faults=("TORN",)), catalogue=TORN
        ) as runner:
            for seed in range(SEARCH_RUNS_MAX):
                recording = torn.run(runner, seed)
                outcome = replayed(recording, runner, seed)
                if outcome.verdict.kind == "violation":
                    break
    assert outcome.verdict.violation is not None and outcome.verdict.violation.checker in ("I1", "I2", "I3", "I4", "I5")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes on one core never add at the same instant")
async def test_a_plain_addition_loses_an_update_where_nothing_is_recorded() -> None:
    """The addition itself made by a plain load and a plain store, on a counter that both processes
    do nothing but add to. Made atomically, no update is lost.

    On cores of their own, three runs in four lose one even beside seven other programs.
    """
    with pair(ADDING_SPEC) as adding:
        async with open_runner(Case("same_counter", (), "toy"), catalogue=ADDING) as runner:
            adding.run(runner, 0)
            with apart(adding):
                atomic = {adding.run(runner, seed, RunSettings(record=False)).symptom for seed in range(20)}
                plain = (
                    adding.run(runner, seed, RunSettings(record=False, plain_add=True)).symptom
                    for seed in range(SEARCH_RUNS_MAX)
                )
                assert {""} == atomic
                assert "lost-update" in next((symptom for symptom in plain if symptom), "")


async def test_without_a_record_there_is_the_arena_alone(gang: Gang, tmp_path: Path) -> None:
    async with open_runner(STORM) as runner:
        recording = gang.run(runner, 1, RunSettings(record=False))
        assert (OVER, 0) == (recording.ended, len(recording.codes))
        assert 500 < recording.steps


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
async def test_a_kill_at_any_instant_ends_the_run_with_a_verdict(kills: int) -> None:
    """Also while the process holds a stripe or a lock of the model; afterwards nothing is left.
    What was recorded ends clean if the process had made its last step.
    """
    word = words(kills, "kill")
    with pair() as gang:
        async with open_runner(STORM) as runner:
            for _ in range(3):
                length = gang.run(runner, 0).seconds
            for seed in range(kills):
                victim = gang.pids()[word() % len(gang.pids())]
                timer = threading.Timer(length * word() / (1 << WORD_BITS), kill, (victim,))
                timer.start()
                recording = gang.run(runner, seed)
                timer.join()
                outcome = replayed(recording, runner, seed)
                verdicts = ("inconclusive", "clean") if recording.ended == "killed" else ("clean",)
                assert outcome.verdict.kind in verdicts, outcome.verdict.reason
                assert recording.ended in ("killed", OVER)
            assert (OVER, []) == (gang.run(runner, 1).ended, gang.board.holders())
        left, zygote = gang.pids(), gang.zygote.pid
    assert kills >= len(gang.deaths) > 0
    assert [] == [pid for pid in [*left, zygote] if Path(f"/proc/{pid}").exists()]


def kill(pid: int) -> None:
    """Kill a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def test_a_silent_process_is_killed(gang: Gang, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is stopped makes the run hang; that ends too, and the next run has two
    processes.
    """
    monkeypatch.setattr("stress.parallel.watch.HANG_SECONDS_MAX", 0.3)
    monkeypatch.setattr("stress.parallel.watch.LEAVE_SECONDS_MAX", 0.1)
    async with open_runner(STORM) as runner:
        gang.run(runner, 0)
        os.kill(gang.pids()[0], signal.SIGSTOP)
        recording = gang.run(runner, 0)
        assert "hung" == recording.ended and [-OVERDUE] == [status for _, status in recording.killed]
        assert OVER == gang.run(runner, 0).ended


def test_the_processes_die_with_their_supervisor() -> None:
    """Whatever ends it: the zygote sees the socket close, and kills what it has forked."""
    gang = Gang(2, SPEC, 1 << 10)
    pids = [*gang.pids(), gang.zygote.pid]
    gang.control.close()
    gang.zygote.wait(WAIT_SECONDS_MAX)
    assert [] == [pid for pid in pids[:-1] if Path(f"/proc/{pid}").exists()]
    gang.close()


async def test_a_dead_zygote_ends_the_run_and_is_replaced() -> None:
    with pair() as gang:
        async with open_runner(STORM) as runner:
            first = gang.zygote.pid
            timer = threading.Timer(0.02, kill, (first,))
            timer.start()
            endings = {gang.run(runner, seed).ended for seed in range(12)}
            timer.join()
            assert endings <= {OVER, "killed"}
            assert (OVER, True) == (gang.run(runner, 1).ended, gang.zygote.pid != first)


async def test_what_a_dead_process_recorded_goes_by_the_right_sites(toys: Gang) -> None:
    """Its rows carry its own site numbers, which are translated although it is gone."""
    async with open_runner(toy("deadly"), catalogue=TOYS) as runner:
        for seed in range(80):
            recording = toys.run(runner, seed)
            outcome = replayed(recording, runner, seed)
            if recording.ended == "killed" and len(recording.codes):
                break
        assert "inconclusive" == outcome.verdict.kind
        assert recording.codes.tolist() == runner.machine.log[: 2 * len(recording.codes) : 2]


async def test_an_unrecorded_run_has_a_step_budget_too(toys: Gang) -> None:
    async with open_runner(toy("endless"), catalogue=TOYS) as runner:
        recording = toys.run(runner, 0, RunSettings(record=False))
    assert ("log full", True) == (recording.ended, recording.steps > 1 << 12)


def test_too_many_processes_are_refused() -> None:
    with pytest.raises(UsageError, match="17 processes are more than the 16"):
        Gang(17, SPEC)


def test_a_numba_that_cannot_be_imported_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('Numba needs another NumPy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Missing, match="Numba needs another NumPy.*--machine lockstep"):
        Gang(2, SPEC)
