"""The tool as a whole, on the real model: a short campaign and a short selfcheck, through the
command line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stress.catalogue import CATALOGUE
from stress.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    status = main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_short_campaign_is_clean_and_reaches_every_scenario_on_every_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = len(CATALOGUE.scenarios()) * len(CATALOGUE.profiles())
    status, data = run(
        capsys,
        "campaign",
        "--executions",
        str(4 * (cells + 16) // 3),
        "--workers",
        "2",
        "--seed",
        "1",
        "--dir",
        str(tmp_path),
    )
    assert [] == data["violations"]
    assert 0 == status
    assert {(scenario, profile) for scenario in CATALOGUE.scenarios() for profile in CATALOGUE.profiles()} == {
        (scenario, profile)
        for scenario, row in data["cells"].items()
        for profile, executions in row.items()
        if executions
    }


@pytest.mark.slow
@pytest.mark.parametrize("profile", list(CATALOGUE.profiles()))
def test_a_simple_fault_is_found_replays_and_is_clean_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    words = [
        "selfcheck",
        "--fault",
        "M05",
        "--profile",
        profile,
        "--scenario",
        "partial_zap",
        "munmap_vs_access",
        "--executions",
        "60",
    ]
    status, data = run(capsys, *words, "--workers", "2", "--dir", str(tmp_path))
    clean, fault = data["cells"]
    assert 0 == status, data
    assert not clean["found"]
    assert fault["found"] and fault["replays"] and fault["clean_without"]
