"""The benchmark measures what it says, on toys and in a moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from stress.bench.steps import Selection, cases, extremes, ring
from stress.cli.main import main
from tests.stress.campaign_toys import TOYS

TOY = ("--profile", "toy", "--seconds", "0.02")


def test_the_ring_hands_over_as_often_as_trio_can() -> None:
    assert trio.run(ring, 3, 0.05) > 5_000


def test_the_extremes_are_by_steps_and_end_clean() -> None:
    chosen = Selection(("counters", "mailbox", "abba", "endless"), "toy", "6.9", 0.1)
    found = trio.run(extremes, chosen, TOYS)
    assert set(found) == {"smallest", "largest"}
    assert {case.scenario for case in found.values()} <= {"counters", "mailbox"}
    assert set(found.values()) <= set(cases(chosen, TOYS))


def test_nothing_to_measure_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["bench", "steps", *TOY, "--scenario", "abba"], TOYS)
    assert "nothing to measure" in capsys.readouterr().err


def test_the_zap_table_is_not_in_this_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["bench", "zap"])
    assert "not in this version" in capsys.readouterr().err


@pytest.mark.slow
def test_bench_steps_prints_every_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stress.bench.steps.WARM_SECONDS", 0.5)
    assert 0 == main(["bench", "steps", *TOY, "--scenario", "counters", "mailbox", "--json"], TOYS)
    data = json.loads(capsys.readouterr().out)
    for which in ("smallest", "largest"):
        row = data[which]
        for strategy in ("random", "pct"):
            assert row[strategy]["steps_per_s"] > 0
            assert row[strategy]["times_ring"] == pytest.approx(
                row[strategy]["steps_per_s"] / row["ring_handovers_per_s"], abs=0.01
            )
    assert [1, 2] == [rate["workers"] for rate in data["campaign"]["rates"]]
