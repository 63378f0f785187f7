"""zapstress conform: what it compares is the same, what it tells is true, and what it lacks it
says.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.conform.draw import from_seed
from stress.conform.findings import finding
from stress.conform.linux import procfs
from stress.conform.linux.events import read
from stress.conform.linux.folio_sizes import Sizes, effective
from stress.conform.listing import listing
from stress.conform.model.spec import BUILDS, nearest_kernel
from stress.errors import CLEAN, INTERRUPTED, SKIPPED, USAGE, VIOLATED
from stress.sources import ROOT
from tests.children import started
from tests.conformance.alterations import ALTERATIONS
from tests.conformance.machine import first_difference, needs_the_kernel, rig

PROGRAMS = 150


@needs_the_kernel
def test_the_model_does_what_this_kernel_does() -> None:
    with rig() as it:
        found = first_difference(it, map(from_seed, range(PROGRAMS)))
        assert found is None, listing(found.program, found)
        assert it.counts.pages > 1000 and sum(it.counts.operations.values()) > 500 and not it.counts.given_up


@needs_the_kernel
def test_a_difference_comes_again_and_shrinks_to_its_smallest_form() -> None:
    """A model that maps no zero page differs after a mapping and a load, and nothing less shows
    it.
    """
    with rig(ALTERATIONS["fault_knows_no_zero_page"]) as it:
        found = first_difference(
            it, (program for program in map(from_seed, range(PROGRAMS)) if len(program.operations) > 6)
        )
        assert found is not None
        kept = finding(it, found)
    assert kept.reproduced == kept.runs
    shown = [line for line in kept.listing.splitlines() if line.startswith("T")]
    assert len(shown) == 2 and shown[0].startswith("T0: map(") and shown[1].startswith("T0: *page(")


def test_the_nearest_version_is_taken() -> None:
    known = list(CATALOGUE.kernels())
    releases = ("5.4.0", "6.11.2", "6.17.1-arch", "6.18.44", "7.0", "7.3.4")
    assert ["6.9", "6.9", "6.12", "6.18", "6.18", "7.3"] == [nearest_kernel(release, known) for release in releases]


def test_a_build_that_is_another_variant_is_known() -> None:
    """6.18.44 with a suffix flushes first; every variant that a build may be exists."""
    known = list(CATALOGUE.kernels())
    assert "6.18-flushfirst" == nearest_kernel("6.18.44-x", known)
    assert set(BUILDS.values()) <= set(known)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    status = main(["conform", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@needs_the_kernel
def test_the_command_sums_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, data = run(capsys, "--executions", "30", "--workers", "1", "--dir", str(tmp_path))
    assert status == CLEAN == data["exit_status"] and data["executions"] == 30 and not data["differences"]
    assert {
        "operations",
        "pages",
        "retried",
        "given_up",
        "excluded",
        "sizes_kb",
        "kernel",
        "running",
        "seed",
        "executions_per_s",
    } <= set(data)


@needs_the_kernel
def test_a_planted_fault_is_found_kept_and_found_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, data = run(capsys, "--executions", "40", "--workers", "1", "--fault", "M25", "--dir", str(tmp_path))
    assert status == VIOLATED
    found = data["differences"]
    assert isinstance(found, list) and found
    again = ["--program", found[0]["program"]]
    orders = json.loads(Path(found[0]["program"]).read_text())["orders"]
    if tuple(orders) in ((), effective()):
        assert run(capsys, *again, "--fault", "M25")[0] == VIOLATED
        assert run(capsys, *again)[0] == CLEAN


@needs_the_kernel
def test_a_program_that_wants_other_sizes_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wanted = next(orders for orders in ((2,), (3,)) if orders != effective())
    (tmp_path / "p.json").write_text(from_seed(1, Sizes(wanted)).dumps())
    assert main(["conform", "--program", str(tmp_path / "p.json")]) == USAGE
    assert "--configure-mthp" in capsys.readouterr().err


def living(group: int) -> list[str]:
    """Return the processes of a group that are no zombies."""
    stats = [text for path in Path("/proc").glob("[0-9]*/stat") if (text := read(str(path)).decode(errors="replace"))]
    fields = [(text, text.rpartition(")")[2].split()) for text in stats]
    return [text for text, (state, _, pgrp, *_) in fields if int(pgrp) == group and state != "Z"]


@needs_the_kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_sums_up(number: int, tmp_path: Path) -> None:
    """Once its workers have agents it ends with its status, tells what it has compared, and leaves
    no process behind.
    """
    words = [
        sys.executable,
        "-m",
        "stress",
        "conform",
        "--executions",
        "100000",
        "--workers",
        "2",
        "--dir",
        str(tmp_path),
        "--json",
    ]
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True) as command:
        at_work = time.monotonic() + 60
        while len(living(command.pid)) < 6 and time.monotonic() < at_work:
            time.sleep(0.1)
        os.killpg(command.pid, number)
        try:
            data = json.loads(command.communicate(timeout=60)[0])
        finally:
            command.kill()
    assert (
        command.returncode == INTERRUPTED == data["exit_status"] and data["interrupted"] and data["executions"] < 100000
    )
    end = time.monotonic() + 10
    while living(command.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not living(command.pid)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(procfs, "missing", lambda: "page frame numbers are shown to root only: run it as root")
    assert main(["conform", "--executions", "1"]) == SKIPPED
    assert "run it as root" in capsys.readouterr().err
