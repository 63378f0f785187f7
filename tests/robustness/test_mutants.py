"""A small share of ``python -m tests.robustness.mutants`` and ``kills``: thousands are tox's."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.robustness.endurance import slope
from tests.robustness.kills import Watched, fill, kill, small_disk
from tests.robustness.mutants import KINDS, findings
from tests.robustness.subject import USAGE, run

COUNTS = {"traces": 60, "programs": 15, "directories": 16}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_in_a_line(kind: str, tmp_path: Path) -> None:
    """Neither a traceback, nor a status that is not documented, nor more than it may cost."""
    seen = list(findings(kind, range(COUNTS[kind]), 1, tmp_path))
    assert len(seen) >= COUNTS[kind]
    assert [] == [(number, one, wrong) for number, one, wrong in seen if wrong]
    assert USAGE in {one.status for _, one, _ in seen}, "some of the damage is damage"


def test_faults_are_seen(tmp_path: Path) -> None:
    """What the measured process does not do as it should is told."""
    bad = run(("list", "scenarios"), cwd=tmp_path)
    assert [] == bad.faults()
    for change, what in (
        ({"status": 99}, "status 99"), ({"err": "Traceback (most recent call last)"}, "a traceback"), ({"cpu_s": 6.0}, "6.0 s"),
        ({"mib": 201.0}, "201 MiB"), ({"out": "\x1b[31m"}, "control characters"), ({"status": 2}, "not one line"),
    ):  # fmt: skip
        assert any(what in fault for fault in type(bad)(**{**vars(bad), **change}).faults())


@pytest.mark.slow
def test_kills_lose_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "dir")
    assert [] == list(kill(watched, 8, "lockstep", Random(1)))
    assert watched.executions > 0 and sum(watched.seen.values()) == 8


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root only")
def test_full_disks_lose_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        watched = Watched(disk / "dir")
        assert [] == list(fill(watched, 2, "lockstep", Random(1)))
    assert watched.executions > 0


def test_the_slope_is_of_the_second_half() -> None:
    flat_then_steep = [(minute, 100.0) for minute in range(10)] + [
        (minute, 100 + 3.0 * minute) for minute in range(10, 20)
    ]
    assert abs(slope([(float(x), y) for x, y in flat_then_steep]) - 3.0) < 1e-9
    assert 0.0 == slope([])
