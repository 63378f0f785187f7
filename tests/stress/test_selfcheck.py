"""The selfcheck over toys: a fault is found, checked and kept; what is not as expected is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.cli.selfcheck import faults_of, table, text
from stress.selfcheck.faults import Cell, Selfcheck, matrix, merged, run_selfcheck
from stress.sources import ROOT
from stress.trace.file import load
from tests.children import started
from tests.stress.campaign_toys import SPEC, TOYS
from tests.stress.test_campaign import WAIT_SECONDS_MAX, until, workers_of


def selfcheck(path: Path, scenarios: tuple[str, ...], executions: int) -> dict[str, Any]:
    return run_selfcheck(Selfcheck(matrix(("T01",), ("toy",), executions, TOYS), scenarios, 2, 3, path, SPEC))


def cells_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data["cells"]
    return found


def test_a_fault_is_found_replays_and_is_clean_without_it(tmp_path: Path) -> None:
    data = selfcheck(tmp_path, ("counters", "mailbox"), 300)
    clean, fault = cells_of(data)
    assert (True, 0) == (data["ok"], data["exit_status"])
    assert (False, 300, "silent") == (clean["found"], clean["executions"], clean["expected"])
    assert (True, "T1", "counters") == (fault["found"], fault["checker"], fault["scenario"])
    assert fault["replays"] and fault["clean_without"]
    assert 1 <= fault["executions"] < 300
    assert fault["signature"] == load(fault["trace"]).ending.signature


def test_finds_are_shrunk(tmp_path: Path) -> None:
    """The form is kept beside the find's trace, and its size is in the cell and in the text."""
    cells = matrix(("T01",), ("toy",), 300, TOYS)
    data = run_selfcheck(Selfcheck(cells, ("counters",), 1, 3, tmp_path, SPEC, shrink_s=0.3))
    clean, fault = cells_of(data)
    form = load(f"{fault['trace']}.shrunk")
    assert (None, form.steps) == (clean["shrunk"], fault["shrunk"]["steps"])
    assert form.ending.signature == fault["signature"] and form.steps <= load(fault["trace"]).steps
    assert 1 <= fault["shrunk"]["orderings"] <= 3
    assert f"median of 1 forms: {form.steps} steps" in text(data)
    assert f"; {form.steps} steps)" in table(data, TOYS)


def test_executions_to_find_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    counts = set()
    for workers in (1, 2):
        check = Selfcheck(matrix(("T01",), ("toy",), 300, TOYS), ("counters",), workers, 3, tmp_path, SPEC)
        counts.add(cells_of(run_selfcheck(check))[1]["executions"])
    assert 1 == len(counts)


def test_cells_are_searched_for_with_several_seeds(tmp_path: Path) -> None:
    """Medians are of all searches; a cell that is to be silent is executed once."""
    check = Selfcheck(matrix(("T01",), ("toy",), 300, TOYS, 3), ("counters",), 2, 3, tmp_path, SPEC)
    clean, fault = cells_of(run_selfcheck(check))
    assert [1, 3] == [clean["searches"], fault["searches"]]
    single = [cell.executions for cell in check.cells if cell.fault == "T01"]
    assert (sorted(single)[1], True) == (fault["executions"], fault["ok"])
    assert 3 == len({cell.trace for cell in check.cells if cell.found}) and fault["seconds"] > 0


def test_one_search_that_finds_nothing_is_shown(tmp_path: Path) -> None:
    """Of several searches the one is told of that is not as expected."""
    missed, hit = Cell("T01", "toy", "", 10, executions=10), Cell("T01", "toy", "", 10, 1, True, 4, replays=True)
    hit.clean_without = True
    (cell,) = merged([hit, missed])
    assert (False, False, 2, 4) == (cell["ok"], cell["found"], cell["searches"], cell["executions"])


def test_cells_with_one_signature_have_a_trace_each(tmp_path: Path) -> None:
    """A worker tells a signature's trace once per cell, not once in its life."""
    check = Selfcheck(matrix(("T01", "T01"), ("toy",), 300, TOYS), ("counters",), 1, 3, tmp_path, SPEC)
    assert run_selfcheck(check)["ok"]


def test_a_fault_that_is_not_found_is_inconclusive(tmp_path: Path) -> None:
    """The scenario does not reach the faulty function."""
    data = selfcheck(tmp_path, ("hashed",), 20)
    assert (False, 5) == (data["ok"], data["exit_status"])
    assert "found" == cells_of(data)[1]["expected"]


def test_a_violation_of_the_clean_kernel_is_a_violation(tmp_path: Path) -> None:
    data = selfcheck(tmp_path, ("abba",), 200)
    assert (False, 1) == (data["ok"], data["exit_status"])
    assert cells_of(data)[0]["found"]
    assert cells_of(data)[1]["clean_without"] is False


def test_a_fault_that_speaks_where_it_is_to_be_silent_fails(tmp_path: Path) -> None:
    cells = matrix(("T01",), ("toy",), 200, TOYS)
    cells[1].reason = "it cannot show here"
    data = run_selfcheck(Selfcheck(cells, ("counters",), 2, 3, tmp_path, SPEC))
    assert (False, 3) == (data["ok"], data["exit_status"])


def test_a_mistake_in_a_cell_does_not_keep_the_others_from_being_filled(tmp_path: Path) -> None:
    data = selfcheck(tmp_path, ("mistaken",), 20)
    assert 3 == data["exit_status"]
    assert all("a mistake in a scenario" in cell["error"] for cell in cells_of(data))


def test_the_command_prints_the_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["selfcheck", "--scenario", "counters", "--executions", "200", "--workers", "2", "--dir", str(tmp_path)]
    assert 0 == main(words, TOYS)
    table = capsys.readouterr().out
    assert "fault " in table and "silent" in table and "as expected" in table
    assert 0 == main([*words, "--json"], TOYS)
    assert 0 == json.loads(capsys.readouterr().out)["exit_status"]
    assert ["T01-toy.trace"] == os.listdir(tmp_path)


def test_a_fault_is_planted_in_its_own_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --kernel; in a version that is named it is left out, or refused if it is named too."""
    assert ["6.9", "6.9", "6.12"] == [cell.kernel for cell in matrix(("N39", "N40"), ("x86-64",), None, CATALOGUE)]
    every = tuple(CATALOGUE.faults())
    assert {"N40"} == {*faults_of(CATALOGUE, "6.12", every, False)} - {*faults_of(CATALOGUE, "6.18", every, False)}
    assert 2 == main(["selfcheck", "--kernel", "6.18", "--fault", "N40"])
    assert "fault N40 is for kernel 6.12, not 6.18" in capsys.readouterr().err


def test_an_unknown_fault_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["selfcheck", "--fault", "Z99"], TOYS)
    assert "unknown fault 'Z99'" in capsys.readouterr().err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, signum: signal.Signals) -> None:
    """What is done is told, what is not has a dash; the status is that of an interruption."""
    code = (
        "import sys; from stress.cli.main import main; from tests.stress.campaign_toys import TOYS; "
        "sys.exit(main(sys.argv[1:], TOYS))"
    )
    words = ("selfcheck", "--scenario", "counters", "hashed", "--executions", "50000000", "--json")
    command = [sys.executable, "-c", code, *words, "--workers", "1", "--dir", str(tmp_path)]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        until(lambda: workers_of(process.pid))
        until(lambda: any(map(busy, workers_of(process.pid))))
        process.send_signal(signum)
        out, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
    data = json.loads(out)
    assert (130, 130, True, False) == (process.returncode, data["exit_status"], data["interrupted"], data["ok"])
    assert any(cell["interrupted"] for cell in data["cells"])


def busy(pid: int) -> bool:
    """Return whether a process has used some time of a processor: a worker that executes has."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) > 100


def test_the_time_that_is_left_is_estimated(tmp_path: Path) -> None:
    cells = [Cell("none", "toy", "no fault", 100), Cell("A", "toy", "", 1000), Cell("B", "toy", "", 1000)]
    check = Selfcheck(cells, ("counters",), 1, 3, tmp_path, SPEC)
    assert check.left_s() is None
    cells[1].found, cells[1].replays, cells[1].executions = True, True, 60
    cells[0].executions = 40
    check.began -= 10.0
    left = check.left_s()
    assert left is not None and 0.9 < left / ((60 + 60) * 10.0 / 100) < 1.1


def test_the_page_has_every_fault() -> None:
    """docs/faults.md has a row for each, and no other."""
    lines = (ROOT / "docs/faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("| ")]
    assert ["fault", *sorted(CATALOGUE.faults())] == rows
