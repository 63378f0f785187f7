"""A small share of ``python -m tests.robustness.mutants`` and ``kills``: thousands are tox's."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from tests.robustness.endurance import Samples, report, slope
from tests.robustness.kills import Watched, fill, kill, small_disk
from tests.robustness.mutants import KINDS, findings
from tests.robustness.subject import run

COUNTS = {
    "traces": 60, "programs": 15, "directories": 12, "failures": 12, "certificates": 8, "recipes": 15, "patches": 12,
}  # fmt: skip

TELLS = {"certificates": INCONCLUSIVE}
"""What damage is told with, where it is no error: a certificate that is none has to be made anew."""


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_in_a_line(kind: str, tmp_path: Path) -> None:
    """Neither a traceback, nor a status that is not documented, nor more than it may cost."""
    seen = list(findings(kind, range(COUNTS[kind]), 1, tmp_path))
    assert len(seen) >= COUNTS[kind]
    assert [] == [(number, one, wrong) for number, one, wrong in seen if wrong]
    assert TELLS.get(kind, USAGE) in {one.status for _, one, _ in seen}, "some of the damage is damage"


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


def sampled(rate: float, opens: float = 10.0) -> Samples:
    """Return an hour in which a process grows by 1 MiB with each of a hundred cases, of which
    ``opens`` are opened a minute, and then by ``rate`` MiB a minute.
    """
    samples = Samples(known=100)
    for sample in range(721):
        minute = sample / 12
        opened = min(100.0, opens * minute)
        samples.opened.append((minute, opened))
        samples.sizes["supervisor"].append((minute, 50 + opened + rate * minute))
    return samples


def test_a_slope_is_of_the_time_after_the_last_case(capsys: pytest.CaptureFixture[str]) -> None:
    """What grows with the cases ends with them; what a larger campaign's would take is added."""
    assert abs(sampled(0.0).steady - 40) < 1e-9
    assert CLEAN == report(sampled(0.0), 200)
    assert ["50.0", "150.0", "150.0", "0.0000", "250"] == capsys.readouterr().out.splitlines()[2].split()[1:]
    assert VIOLATED == report(sampled(0.0), 300)
    assert VIOLATED == report(sampled(0.02), 100)
    assert INCONCLUSIVE == report(sampled(0.0, opens=1.5), 100)


def test_a_slope_is_one_of_least_squares() -> None:
    assert abs(slope([(float(minute), 100 + 3.0 * minute) for minute in range(10)]) - 3.0) < 1e-9
    assert 0.0 == slope([])
