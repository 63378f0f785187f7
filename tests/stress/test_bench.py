"""The benchmark measures what it says, on toys and on clocks that the test sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

from stress.bench import parallel
from stress.bench.rates import repeat
from stress.bench.steps import Selection, cases, extremes, measure, ring
from stress.case import Case
from stress.cli.main import main
from tests.stress.campaign_toys import TOYS

TOY = ("--profile", "toy", "--seconds", "0.02")


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that goes on by ``seconds`` each time it is read."""
    readings = count()
    return lambda: next(readings) * seconds


async def hundred_turns(seconds: float) -> None:
    """Let trio's loop go round a hundred times."""
    for _ in range(100):
        await trio.lowlevel.checkpoint()


def test_the_ring_hands_over_once_in_each_turn_of_trio() -> None:
    """It has one task that can run, and so makes one hand-over each time that trio's loop goes
    round.
    """
    rate = trio.run(ring, 3, 0.0, ticking(4.0), hundred_turns)
    assert rate == pytest.approx(100 / 4.0, abs=2 / 4.0)


def test_a_rate_is_what_was_made_by_the_time_it_took() -> None:
    """Three seconds of executions that take one second each, of 10, 11 and 12 steps."""
    made: list[int] = []

    def make(seed: int) -> int:
        made.append(seed)
        return 10 + seed

    assert (1.0, 11.0) == repeat(make, 3.0, ticking(1.0))
    assert [0, 1, 2] == made


def test_a_case_is_measured_by_one_clock() -> None:
    """If every execution takes half a second, there are two in each second, with and without audit."""
    case = Case("counters", (("rounds", 1),), "toy", "small", "6.9")
    data = trio.run(measure, case, 2.0, TOYS, ticking(0.5), hundred_turns)
    assert ("counters", 3, {"rounds": 1}) == (data["scenario"], data["actors"], data["params"])
    for strategy in ("random", "pct"):
        row = data[strategy]
        assert 2.0 == row["executions_per_s"]
        assert row["steps_per_s"] == pytest.approx(2 * row["steps_per_execution"], abs=0.6)
        assert row["times_ring"] == row["times_ring_without_audit"]
        assert row["times_ring"] == pytest.approx(row["steps_per_s"] / data["ring_handovers_per_s"], abs=0.01)


def test_the_parallel_rates_are_medians_and_their_ratios_are_taken_turn_by_turn() -> None:
    """The third turn is slow for all, and changes no ratio."""
    rates = {
        "lockstep_pct": [50.0, 50.0, 5.0],
        "one": [100.0, 110.0, 10.0],
        "one_unrecorded": [200.0, 200.0, 20.0],
        "two": [150.0, 165.0, 15.0],
        "two_unrecorded": [300.0, 330.0, 30.0],
    }
    data = parallel.summary(rates, Case("sharers_at_work", (("order", 2),), "x86-64", "small", "6.9"))
    assert (100, 150) == (data["one_steps_per_s"], data["two_steps_per_s"])
    assert (1.5, 0.5, 2.0) == (data["two_over_one"], data["recording_keeps"], data["process_over_lockstep_pct"])
    shown = parallel.text(data | {"switches_per_1000_steps": 12.4, "contended": {"page_ref[3]": 7}})
    assert [
        "parallel: sharers_at_work on x86-64, two address spaces, one file's folios",
        "  one process           100 steps/s recorded,        200 not",
        "  two processes         150 steps/s recorded,        300 not",
        "  two over one: 1.50 x; recording keeps 50% of the rate of two",
        "  lockstep, pct          50 steps/s: a process has 2.00 x that",
        "  12 switches between processes per 1,000 recorded steps; stripes found held: page_ref[3] 7",
    ] == shown.splitlines()


def test_the_extremes_are_by_steps_and_end_clean() -> None:
    chosen = Selection(("counters", "mailbox", "abba", "endless"), "toy", "6.9", (), 0.1)
    found = trio.run(extremes, chosen, TOYS)
    assert set(found) == {"smallest", "largest"}
    assert {case.scenario for case in found.values()} <= {"counters", "mailbox"}
    assert set(found.values()) <= set(cases(chosen, TOYS))


def test_nothing_to_measure_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["bench", "steps", *TOY, "--scenario", "abba"], TOYS)
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.slow
def test_bench_steps_prints_every_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the rates are, their ratios are those that are printed beside them."""
    monkeypatch.setattr("stress.bench.steps.WARM_SECONDS", 0.5)
    assert 0 == main(["bench", "steps", *TOY, "--scenario", "counters", "mailbox", "--json"], TOYS)
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ["smallest", "largest", "native_unavailable", "parallel", "campaign"] == list(data)
    assert "ToyKernel" in data["native_unavailable"]
    for which in ("smallest", "largest"):
        row = data[which]
        for strategy in ("random", "pct"):
            assert row[strategy]["times_ring"] == pytest.approx(
                row[strategy]["steps_per_s"] / row["ring_handovers_per_s"], abs=0.01
            )
    one, two = data["campaign"]["rates"]
    assert [1, 2] == [one["workers"], two["workers"]]
    assert data["campaign"]["two_over_one"] == pytest.approx(
        two["executions_per_s"] / one["executions_per_s"], abs=0.01
    )
