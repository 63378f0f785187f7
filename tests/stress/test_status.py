"""``status``, ``recheck``, ``campaign --rebuild``: what is kept of a campaign, without running it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.code import code_of
from stress.campaign.database import DATABASE, FAILURES
from stress.campaign.results import Results
from stress.campaign.store import Store
from stress.cli.main import main
from stress.sources import ROOT
from stress.trace.file import load, save
from stress.workers.settings import Settings
from tests.stress.campaign_toys import TOYS
from tests.stress.test_campaign import executions, until

FINDS = ("--scenario", "abba", "counters", "--fault", "T01", "--machine", "lockstep")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign that has found two failures in two runs."""
    path = tmp_path_factory.mktemp("status") / "dir"
    assert 1 == main(
        ["campaign", *FINDS, "--seed", "5", "--executions", "60", "--workers", "1", "--dir", str(path)], TOYS
    )
    assert 1 == main(["campaign", "--executions", "20", "--workers", "1", "--dir", str(path)], TOYS)
    return path


@pytest.fixture
def directory(campaign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A copy of it, to be changed."""
    capsys.readouterr()
    return Path(shutil.copytree(campaign, tmp_path / "dir"))


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    """Run a command; return its status and its object."""
    status = main([*map(str, words), "--json"], TOYS)
    return status, json.loads(capsys.readouterr().out)


def test_status_tells_of_this_run_and_of_all(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}
    status, data = said(capsys, "status", directory)
    assert (1, False, "done", 80, 20) == (
        status, data["running"], data["ended"], data["executions"], data["this_run"]["executions"],
    )  # fmt: skip
    assert {found["signature"] for found in data["violations"]} == set(os.listdir(directory / FAILURES))
    assert 1 == main(["status", str(directory)], TOYS)
    text = capsys.readouterr().out
    assert "this run: 20 executions" in text and "all 2 runs: 80 executions" in text
    assert before == {file: file.read_bytes() for file in before}


def test_status_of_a_campaign_that_is_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.stress.campaign_toys", str(tmp_path), "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: executions(tmp_path) > 10)
            status, data = said(capsys, "status", tmp_path)
        finally:
            process.kill()
    assert (0, True, "at work") == (status, data["running"], data["ended"])
    assert data["executions"] > 10
    assert (0, "killed") == (said(capsys, "status", tmp_path)[0], said(capsys, "status", tmp_path)[1]["ended"])


def test_status_of_what_is_no_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "none"):
        assert 2 == main(["status", str(path)], TOYS)
        assert "that a campaign has made" in capsys.readouterr().err


def test_recheck_runs_every_failure_again(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, data = said(capsys, "recheck", directory)
    assert (1, {"same"}) == (status, {found["result"] for found in data["failures"]})
    assert 2 == len(data["failures"])


def test_recheck_of_what_fails_no_more(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its fault the lost update is clean; the deadlock, which has none, is there."""
    for folder in (directory / FAILURES).iterdir():
        trace = load(folder)
        if trace.case.scenario == "abba":
            shutil.rmtree(folder)
            forget(directory, folder.name)
            continue
        object.__setattr__(trace.case, "faults", ())
        save(trace, folder / "trace")
    assert 5 == said(capsys, "recheck", directory)[0], "a strict replay leaves its tape"
    status, data = said(capsys, "recheck", directory, "--tolerant")
    assert (0, ["clean"]) == (status, [found["result"] for found in data["failures"]])


@pytest.mark.parametrize("resumed", [False, True])
def test_deleted_folders_are_named(directory: Path, resumed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Also once a campaign that went on has noticed it; the statuses are those of what is known."""
    one, other = sorted((directory / FAILURES).iterdir())
    shutil.rmtree(one)
    if resumed:
        settings = settings_of(directory)
        with Store(directory, settings, code_of(Settings.of(settings), TOYS)) as store:
            assert [one.name] == store.lost
    status, data = said(capsys, "status", directory)
    assert (1, [one.name]) == (status, data["deleted"])
    assert {one.name: False, other.name: True} == {row["signature"]: bool(row["trace"]) for row in data["violations"]}
    assert 1 == main(["status", str(directory)], TOYS)
    assert f"1 saved failure deleted from failures/: {one.name}\n" in capsys.readouterr().out
    status, data = said(capsys, "recheck", directory)
    assert (1, {one.name: "deleted", other.name: "same"}) == (
        status, {row["signature"]: row["result"] for row in data["failures"]},
    )  # fmt: skip
    shutil.rmtree(other)
    assert 5 == main(["recheck", str(directory)], TOYS)
    told = capsys.readouterr().out
    assert all(f"{name} (" in told for name in (one.name, other.name)) and "2 deleted" in told


def settings_of(directory: Path) -> dict[str, Any]:
    """Return the settings of a campaign."""
    with Results.open(directory) as results:
        return results.settings()


def forget(directory: Path, signature: str) -> None:
    """Have the database of a directory not know a failure."""
    with closing(sqlite3.connect(directory / DATABASE)) as db, db:
        for table in ("failure_cases", "failures"):
            db.execute(f"DELETE FROM {table} WHERE signature = ?", (signature,))


def test_recheck_runs_no_file_of_a_stranger(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = directory.parent / "evil.py"
    file.write_text("raise SystemExit('imported')\n")
    for folder in (directory / FAILURES).iterdir():
        trace = load(folder)
        object.__setattr__(trace.case, "patch", (f"{file}:Evil",))
        save(trace, folder / "trace")
    status, data = said(capsys, "recheck", directory)
    assert (5, {"refused"}) == (status, {found["result"] for found in data["failures"]})
    assert all("only if you name its file" in found["why"] for found in data["failures"])


def test_recheck_follows_no_link(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Failures that lie elsewhere are another campaign's, or a stranger's."""
    (directory / FAILURES).rename(directory / "elsewhere")
    (directory / FAILURES).symlink_to("elsewhere")
    assert 2 == main(["recheck", str(directory)], TOYS)
    assert "failures: a symbolic link, which a campaign has not made" in capsys.readouterr().err


def test_recheck_without_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, words in ((tmp_path, "no failures are saved in it"), (tmp_path / "none", "not a directory")):
        assert 2 == main(["recheck", str(path)], TOYS)
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("how", ["empty", "gone", "torn"])
def test_a_database_is_made_anew_from_the_failures(
    directory: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = set(os.listdir(directory / FAILURES))
    if how == "gone":
        (directory / DATABASE).unlink()
    else:
        os.truncate(directory / DATABASE, 0 if how == "empty" else 5000)
    assert 2 == main(["campaign", *FINDS, "--executions", "5", "--dir", str(directory)], TOYS)
    assert "--rebuild" in capsys.readouterr().err
    words = ("campaign", *FINDS, "--seed", "5", "--executions", "1", "--workers", "1", "--dir", directory)
    status, data = said(capsys, *words, "--rebuild")
    assert (1, names) == (status, {found["signature"] for found in data["violations"]})
    assert all(Path(found["trace"]).is_file() for found in data["violations"])
    assert 2 == main([*map(str, words), "--rebuild"], TOYS), "it is whole now"
    assert "its database is whole" in capsys.readouterr().err


def test_what_is_no_failure_is_left_out(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(directory / DATABASE, 0)
    shutil.copytree(next((directory / FAILURES).iterdir()), directory / FAILURES / "deadbeef")
    (directory / FAILURES / "notes").mkdir()
    words = ["campaign", *FINDS, "--rebuild", "--executions", "1", "--workers", "1", "--dir", str(directory)]
    assert 1 == main(words, TOYS)
    told = capsys.readouterr().err
    assert "2 saved failures entered" in told and "deadbeef is left out: " in told
    assert "notes is left out: not the folder of a signature" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scenario", "counters", "--fault", "T01"], "1 saved failure of other settings would be left out"),
        (["--scenario", "counters", "--fault", "T01"], "is of abba on toy, which is not searched"),
        (["--scenario", "abba", "counters"], "2 saved failures of other settings would be left out"),
        (["--scenario", "abba", "counters"], "was found with --kernel 6.9 --fault T01"),
        ([], "2 saved failures of other settings would be left out"),
    ],
)
def test_failures_of_other_settings_are_not_dropped(
    directory: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be nowhere, and the campaign end with "no violation"; nothing has changed then."""
    os.truncate(directory / DATABASE, 0)
    before = sorted(directory.rglob("*"))
    rest = ["--rebuild", "--executions", "1", "--workers", "1", "--dir", str(directory)]
    assert 2 == main(["campaign", *words, "--machine", "lockstep", *rest], TOYS)
    assert told in capsys.readouterr().err
    assert before == sorted(directory.rglob("*"))


def test_failures_of_a_patch_are_not_those_of_the_kernel(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(directory / DATABASE, 0)
    folder = next((directory / FAILURES).iterdir())
    trace = load(folder)
    object.__setattr__(trace.case, "patch", ("mine.py:Mine",))
    save(trace, folder / "trace")
    assert 2 == main(["campaign", *FINDS, "--rebuild", "--executions", "1", "--dir", str(directory)], TOYS)
    assert f"{folder.name} was found with --kernel 6.9 --fault T01 --patch mine.py:Mine" in capsys.readouterr().err


def test_folders_of_which_none_is_a_failure(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(directory / DATABASE, 0)
    for folder in (directory / FAILURES).iterdir():
        os.truncate(folder / "trace", 40)
    assert 2 == main(["campaign", *FINDS, "--rebuild", "--executions", "1", "--dir", str(directory)], TOYS)
    assert "none of what is saved in it is a failure of a campaign" in capsys.readouterr().err


def test_nothing_to_rebuild_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["campaign", "--rebuild", "--dir", str(tmp_path)], TOYS)
    assert "no failures are saved in it" in capsys.readouterr().err
    assert 2 == main(["campaign", "--rebuild"], TOYS)
    assert "--rebuild wants --dir" in capsys.readouterr().err


def test_a_strangers_directory_names_a_file(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is not imported unless the command line names it too."""
    patch = directory.parent / "patch.py"
    named = ("--patch", f"{patch}:Mine")
    patch.write_text("from tests.toy import NoLock\n\nclass Mine(NoLock):\n    pass\n")
    path, short = directory.parent / "theirs", ["--executions", "4", "--workers", "1"]
    main(["campaign", "--scenario", "counters", *named, *short, "--dir", str(path)], TOYS)
    patch.write_text("raise SystemExit('imported')\n")
    capsys.readouterr()
    assert 2 == main(["campaign", *short, "--dir", str(path)], TOYS)
    assert f"if that is to be run here, say so: --patch {patch}:Mine" in capsys.readouterr().err
    assert main(["status", str(path)], TOYS) in (0, 1)
    patch.write_text("from tests.toy import NoLock\n\nclass Mine(NoLock):\n    pass\n")
    assert main(["campaign", *short, *named, "--dir", str(path)], TOYS) in (0, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "5"),
        ("scenarios", "counters"),
        ("options", {"depth": []}),
        ("machine", None),
        ("faults", [3]),
        ("more", 1),
    ],
)
def test_settings_of_other_kinds_are_refused(
    directory: Path, name: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(directory / DATABASE) as db:
        db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))
    db.close()
    for words in (["campaign", "--executions", "1", "--dir", str(directory)], ["status", str(directory)]):
        assert 2 == main(words, TOYS)
        assert "settings that are no campaign's" in capsys.readouterr().err
