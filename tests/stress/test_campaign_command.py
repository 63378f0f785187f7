"""``zapstress campaign``: options, resuming, and one clear line where it cannot go on."""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.database import DATABASE
from stress.cli.campaign import new_directory
from stress.cli.campaign_all import worst
from stress.cli.main import main
from stress.cli.options import RESULTS, duration, seed
from stress.workers.settings import SEED_MAX
from tests.stress.campaign_toys import TOYS

SHORT = ("--scenario", "counters", "mailbox", "--executions", "30", "--workers", "2")

SUMMARY = {
    "executions", "steps", "elapsed_s", "executions_per_s", "steps_per_s", "seed", "scenarios", "profiles", "strategy",
    "machine", "kernel", "faults", "violations",
}  # fmt: skip
"""What the summary has at least."""

VIOLATION = {"signature", "checker", "scenario", "profile", "seed", "count", "trace"}


def campaign(*words: str) -> int:
    return main(["campaign", *words], TOYS)


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one JSON object on standard output."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line on standard error, which is to be the only one that complains."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("zapstress: ")]
    assert 1 == len(lines)
    return lines[0]


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5", 1.5)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds == duration(text)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "soon", "nan", "inf", "1e999h"])
def test_no_durations(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def test_seeds() -> None:
    assert (7, 0x5EED) == (seed("7"), seed("0x5eed"))
    for text in ("-1", str(SEED_MAX)):
        with pytest.raises(argparse.ArgumentTypeError):
            seed(text)


def test_the_summary_has_the_fields_of_the_design(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == campaign(
        "--scenario",
        "abba",
        "counters",
        "--executions",
        "400",
        "--workers",
        "2",
        "--dir",
        str(tmp_path / "new" / "dir"),
        "--json",
    )
    data = said(capsys)
    assert set(data) >= SUMMARY
    assert ["abba", "counters"] == data["scenarios"]
    (found,) = data["violations"]
    assert set(found) >= VIOLATION
    assert Path(found["trace"]).is_file()
    assert 1 == main(["replay", found["trace"]], TOYS)


def test_people_get_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == campaign(*SHORT, "--dir", str(tmp_path), "--seed", "0x2a")
    captured = capsys.readouterr()
    assert "30 executions" in captured.out and "no violation" in captured.out and "seed 0x2a" in captured.out
    assert "campaign of seed 0x2a" in captured.err


def test_the_directory_remembers_what_the_campaign_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == campaign(*SHORT, "--seed", "9", "--strategy", "pct", "--depth", "3", "--dir", str(tmp_path), "--json")
    first = said(capsys)
    assert 0 == campaign("--executions", "10", "--dir", str(tmp_path), "--json")
    again = said(capsys)
    assert (9, "pct", 40) == (again["seed"], again["strategy"], again["executions"])
    assert first["scenarios"] == again["scenarios"]


def test_a_campaign_of_other_options_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == campaign(*SHORT, "--dir", str(tmp_path))
    assert 2 == campaign("--executions", "10", "--strategy", "pct", "--dir", str(tmp_path))
    assert "has strategy" in complaint(capsys)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--scenario", "countess"), "unknown scenario 'countess'; did you mean counters"),
        (("--profile", "x86"), "unknown profile 'x86'"),
        (("--fault", "T01", "t01"), "fault 'T01' is named twice"),
        (("--strategy", "pct", "--depth", "0"), "0 is not a number from 1"),
        (("--fault", "Z01"), "unknown fault 'Z01'"),
        (("--strategy", "pcd"), "unknown strategy 'pcd'; did you mean pct?"),
        (("--kernel", "5.4"), "unknown kernel '5.4'"),
        (("--kernel", "nowhere.py:Rmap"), "there is no file nowhere.py"),
        (("--machine", "parallel", "--strategy", "pct"), "--strategy is lockstep's"),
        (("--depth", "3"), "--depth is pct's"),
        (("--strategy", "random", "--depth", "3"), "strategy random has no option depth"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], what: str
) -> None:
    assert 2 == campaign(*words, "--executions", "5", "--dir", str(tmp_path / "new"))
    assert what in complaint(capsys)
    assert not (tmp_path / "new").exists()


def test_duration_and_executions_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == campaign("--duration", "1s", "--executions", "5")
    assert "not allowed with" in capsys.readouterr().err


def test_a_directory_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert 3 == campaign(*SHORT, "--dir", "/proc/zapstress")
    assert "cannot write" in complaint(capsys)


def test_a_file_in_place_of_the_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert 2 == campaign(*SHORT, "--dir", str(tmp_path / "file"))
    assert "not a directory" in complaint(capsys)


def test_a_directory_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert 2 == campaign(*SHORT, "--dir", str(tmp_path))
    assert "holds something else, and no campaign" in complaint(capsys)
    assert ["thesis.tex"] == [file.name for file in tmp_path.iterdir()]


def test_no_directory_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == campaign(*SHORT, "--dir", "")
    assert "--dir: name a directory" in complaint(capsys)


def test_somebody_elses_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    assert 2 == campaign(*SHORT, "--dir", str(tmp_path), "--json")
    captured = capsys.readouterr()
    assert 2 == json.loads(captured.out)["exit_status"]
    assert "an SQLite file of something else" in captured.err


def test_each_campaign_without_a_directory_gets_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = new_directory(0x5EED)
    first.mkdir(parents=True)
    assert (Path(RESULTS, "0x5eed"), Path(RESULTS, "0x5eed-2")) == (first, new_directory(0x5EED))


def test_a_component_that_overrides_nothing_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the user's to mend, of no seed, and told before there is a worker or a directory, with
    the status that ``run`` has.
    """
    patch = tmp_path / "patch.py"
    patch.write_text("class Mine:\n    component = 'mmu_gatherer'\n")
    options = ("--profile", "x86-64", "--kernel", f"{patch}:Mine")
    assert 2 == main(["run", "munmap_vs_access", *options])
    told = complaint(capsys)
    assert "patch.py:1: class Mine: there is no component 'mmu_gatherer'; did you mean mmu_gather" in told
    assert 2 == main(
        ["campaign", "--scenario", "munmap_vs_access", *options, "--executions", "5", "--dir", str(tmp_path / "new")]
    )
    assert told == complaint(capsys)
    assert not (tmp_path / "new").exists()


def test_a_component_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user's file runs in the workers, and its bug is found; its trace runs the file only if it
    is named again.
    """
    patch = tmp_path / "patch.py"
    patch.write_text("from tests.toy import NoLock\n\nclass Mine(NoLock):\n    pass\n")
    kernel = f"{patch}:Mine"
    assert 1 == campaign(
        "--scenario",
        "counters",
        "--kernel",
        kernel,
        "--executions",
        "60",
        "--workers",
        "2",
        "--dir",
        str(tmp_path / "dir"),
        "--json",
    )
    (found,) = said(capsys)["violations"]
    assert 2 == main(["replay", found["trace"]], TOYS)
    assert 1 == main(["replay", found["trace"], "--kernel", kernel], TOYS)
    assert 0 == main(["replay", found["trace"], "--without-faults"], TOYS)


def test_every_kernel_has_its_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object for all, and a directory for each, which goes on as any."""
    words = (*SHORT, "--kernel", "all", "--dir", str(tmp_path))
    assert 0 == campaign(*words, "--json")
    data, kernels = said(capsys), list(TOYS.kernels())
    assert 0 == data["exit_status"] and kernels == list(data["kernels"])
    assert [(kernel, 30) for kernel in kernels] == [
        (found["kernel"], found["executions"]) for found in data["kernels"].values()
    ]
    assert 0 == campaign(*words)
    assert len(kernels) == capsys.readouterr().out.count("60 executions")


@pytest.mark.parametrize("words", [("--baseline", "known"), ("--sarif", "file"), ("--rebuild",)])
def test_options_of_one_campaign_are_refused_for_all(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == campaign(*SHORT, "--kernel", "all", *words)
    assert f"{words[0]} speaks of one campaign" in complaint(capsys)


def test_the_worst_status_is_that_of_all() -> None:
    assert [0, 1, 3, 130, 5] == [worst(set(found)) for found in ((0,), (0, 1, 5), (1, 3), (0, 130), (5, 0))]
