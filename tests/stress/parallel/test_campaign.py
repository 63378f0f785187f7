"""Campaigns on the parallel machine, over toys: what is counted, kept and told."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.database import DATABASE
from stress.campaign.supervisor import run_campaign
from stress.cli.main import main
from stress.parallel.settings import NO_RECORD_OF_SPECULATION
from stress.workers.settings import PARALLEL_SEEDS, SEED_BITS, Budget
from tests.stress.campaign_toys import SPEC, settings


def campaign(directory: Path, executions: int, *scenarios: str, machine: str = "parallel") -> dict[str, Any]:
    """Run a campaign over toys and return its summary."""
    return run_campaign(
        directory, settings(*scenarios, machine=machine), Budget(executions=executions, workers=1, twin_every=0), SPEC
    )


def leases(directory: Path) -> set[tuple[str, bool]]:
    """Return (machine, whether its seeds are the parallel machine's) of the leases that were
    given.
    """
    with sqlite3.connect(directory / DATABASE) as db:
        rows = db.execute("SELECT machine, next - 1 FROM progress").fetchall()
    return {(machine, first % (1 << SEED_BITS) >= PARALLEL_SEEDS) for machine, first in rows}


def test_a_failure_has_the_replays_signature_and_the_runs_symptom(tmp_path: Path) -> None:
    data = campaign(tmp_path, 300, "abba")
    (found,) = data["violations"]
    assert ("deadlock", 1) == (found["checker"], data["exit_status"])
    environment = json.loads((Path(found["trace"]).parent / "environment.json").read_text())
    assert "as recorded" == environment["replays"] and "waits for lock" in environment["symptom"]
    assert {("parallel", True)} == leases(tmp_path)
    assert ["parallel"] == list(data["machines"])


def test_a_setup_that_violates_is_the_outcome_of_every_run(tmp_path: Path) -> None:
    data = campaign(tmp_path, 20, "broken_setup")
    assert [("lock", 20)] == [(found["checker"], found["count"]) for found in data["violations"]]


def test_a_process_that_dies_is_recorded_with_its_seed_and_the_campaign_goes_on(tmp_path: Path) -> None:
    """Which seeds kill is settled by what they draw: of the first 300 some do."""
    data = campaign(tmp_path, 300, "deadly")
    assert (300, 3) == (data["executions"], data["exit_status"])
    deaths = data["worker_deaths"]
    assert {("deadly", -signal.SIGKILL)} == {(death["scenario"], death["exit_status"]) for death in deaths}
    assert 1 < len({death["seed"] for death in deaths}) == len(deaths)


def test_both_machines_share_a_campaign_and_no_seeds(tmp_path: Path) -> None:
    """A quarter of the executions is the parallel machine's; what lockstep does for its seeds is
    what it does alone.
    """
    both, alone = tmp_path / "both", tmp_path / "alone"
    data = campaign(both, 160, "counters", machine="both")
    assert {"lockstep": 120, "parallel": 40} == {name: row["executions"] for name, row in data["machines"].items()}
    campaign(alone, 120, "counters", machine="lockstep")
    kept = []
    for directory in (both, alone):
        with sqlite3.connect(directory / DATABASE) as db:
            kept.append(
                db.execute(
                    "SELECT case_id, strategy, metric, value FROM numbers WHERE machine = 'lockstep'"
                    " AND metric IN ('executions', 'steps') ORDER BY 1, 2, 3"
                ).fetchall()
            )
    assert kept[0] == kept[1]


def test_what_no_campaign_executes_in_parallel_run_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """A case whose CPUs speculate, for the reason that the plan has."""
    assert 2 == main(["run", "munmap_vs_access", "--machine", "parallel", "--param", "speculation=1"])
    said = capsys.readouterr().err
    assert NO_RECORD_OF_SPECULATION in said and 1 == len(said.splitlines())
