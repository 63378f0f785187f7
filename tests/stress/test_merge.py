"""Directories of machines that never met, joined: each execution counts once."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.cluster import merge as merging
from stress.campaign.cluster.merge import merge
from stress.campaign.database import DATABASE
from stress.campaign.directory import expect, expected_in
from stress.campaign.report.facts import gather
from stress.campaign.report.mail import mail
from stress.campaign.results import Results
from stress.cli.main import main
from stress.errors import StorageError
from stress.sources import ROOT
from stress.workers.settings import SEED_BITS
from tests.stress.campaign_toys import TOYS
from tests.stress.test_campaign import executions, until

WORDS = ("campaign", "--scenario", "abba", "counters", "mailbox", "--fault", "T01", "--machine", "lockstep")
ADDED = ("executions", "steps", "inconclusive", "pairs", "sessions", "unrecorded", "twins")
"""Numbers of a summary that add up."""


def campaign(path: Path, seed: int, *more: str, executions: int = 60) -> Path:
    """Run a campaign; return its directory."""
    words = ["--seed", str(seed), "--workers", "1", "--executions", str(executions), "--dir", str(path)]
    main([*(more or WORDS), *words], TOYS)
    return path


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The directories of three machines."""
    folder = tmp_path_factory.mktemp("machines")
    return [campaign(folder / str(seed), seed, executions=made) for seed, made in ((1, 60), (2, 25), (3, 70))]


def summary_of(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what ``status --json`` says of a directory."""
    capsys.readouterr()
    main(["status", str(path), "--json"], TOYS)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_each_execution_counts_once(machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for path in machines for file in path.rglob("*") if file.is_file()}
    assert 0 == main(["merge", *map(str, machines), "--into", str(tmp_path / "all"), "--seed", "9"], TOYS)
    parts, whole = [summary_of(path, capsys) for path in machines], summary_of(tmp_path / "all", capsys)
    for name in ADDED:
        values = [part[name] for part in parts]
        total = sum(map(Counter, values), Counter()) if isinstance(values[0], dict) else sum(values)
        assert total == (+Counter(whole[name]) if isinstance(total, Counter) else whole[name]), name
    for scenario, profiles in whole["cells"].items():
        assert profiles["toy"] == sum(part["cells"][scenario]["toy"] for part in parts)
    found = Counter({failure["signature"]: failure["count"] for failure in whole["violations"]})
    assert found == sum(
        (Counter({f["signature"]: f["count"] for f in part["violations"]}) for part in parts), Counter()
    )
    assert [(seed, part["executions"]) for seed, part in zip((1, 2, 3), parts, strict=True)] == [
        (row["seed"], row["executions"]) for row in whole["merged"]
    ]
    assert before == {file: file.read_bytes() for file in before}, "sources are only read"


def rows(path: Path, *tables: str) -> dict[str, list[Any]]:
    """Return the rows of tables, sorted."""
    with Results.open(path) as results:
        return {table: sorted(results.db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}


def test_the_order_and_the_steps_do_not_matter(machines: list[Path], tmp_path: Path) -> None:
    """All at once, or one after the other, in any order."""
    one, two, three = machines
    merge([one, two, three], tmp_path / "a", 9)
    merge([three, one], tmp_path / "b", 8)
    merge([two, tmp_path / "b"], tmp_path / "c", 9)
    tables = ("cases", "counts", "hashes", "failures", "failure_cases", "twins")
    assert rows(tmp_path / "a", *tables) == rows(tmp_path / "c", *tables)
    numbers = [{row[:4]: round(row[4], 6) for row in rows(tmp_path / name, "numbers")["numbers"]} for name in "ac"]
    assert numbers[0] == numbers[1]
    assert [1, 2, 3] == [row[0] for row in rows(tmp_path / "a", "merged")["merged"]]
    assert [(1, 60), (2, 25), (3, 70), (8, 0)] == rows(tmp_path / "c", "merged")["merged"]


def test_hashes_are_those_of_all(machines: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than are kept the smallest stay."""
    machines = [shutil.copytree(path, tmp_path / path.name) for path in machines]
    for number, path in enumerate(machines):
        few = [("classes", (1 << 40) + 7 * value) for value in range(5 * number, 5 * number + 10)]
        with sqlite3.connect(path / DATABASE) as db:
            db.executemany("INSERT INTO hashes VALUES (?, ?)", few)
        db.close()
    monkeypatch.setattr(merging, "KEPT_MAX", 15)
    merge(machines, tmp_path / "all", 9)
    every = {row for path in machines for row in rows(path, "hashes")["hashes"]}
    assert len(every) > 15
    assert sorted(every, key=lambda row: row[1])[:15] == sorted(
        rows(tmp_path / "all", "hashes")["hashes"], key=lambda row: row[1]
    )


def test_saved_failures_come_along(machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merge(machines, tmp_path / "all", 9)
    capsys.readouterr()
    assert 1 == main(["recheck", str(tmp_path / "all"), "--json"], TOYS)
    again = json.loads(capsys.readouterr().out)["failures"]
    assert {"same"} == {found["result"] for found in again}
    signatures = {name for path in machines for name in (folder.name for folder in (path / "failures").iterdir())}
    assert signatures == {found["signature"] for found in again}


def test_a_merged_campaign_goes_on(machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With seeds that none of its sources has used, and it can be merged once more."""
    merge(machines[:2], tmp_path / "both", 9)
    main(["campaign", "--dir", str(tmp_path / "both"), "--executions", "40", "--workers", "1"], TOYS)
    data = summary_of(tmp_path / "both", capsys)
    assert (60 + 25 + 40, 40, 1) == (data["executions"], data["this_run"]["executions"], data["generation"])
    assert {row[2] >> SEED_BITS for row in rows(tmp_path / "both", "progress")["progress"]} == {9}
    merge([tmp_path / "both", machines[2]], tmp_path / "all", 10)
    assert [(1, 60), (2, 25), (3, 70), (9, 40)] == rows(tmp_path / "all", "merged")["merged"]


def test_a_report_names_each_search(machines: list[Path], tmp_path: Path) -> None:
    merge(machines, tmp_path / "all", 9)
    text = mail(gather(tmp_path / "all")).replace("\\\n", "")
    for seed, made in ((1, 60), (2, 25), (3, 70)):
        command = next(line for line in text.splitlines() if f"--seed {seed:#x} " in line)
        assert f"--executions {made}" in " ".join(command.split())
    assert "--seed 0x9 " not in text


def test_what_is_expected_comes_along(machines: list[Path], tmp_path: Path) -> None:
    copy = shutil.copytree(machines[0], tmp_path / "copy")
    expect(copy, {"01234567": "known"})
    merge([copy, machines[1]], tmp_path / "both", 9)
    assert {"01234567": "known"} == expected_in(tmp_path / "both")


# -- proofs -------------------------------------------------------------------------------------------------------


def proving(source: Path, path: Path, *rows: tuple[int, str, float, str]) -> Path:
    """Copy a directory, and have it hold that cases were searched to their end: number, kind,
    seconds, and the name of a certificate.
    """
    shutil.copytree(source, path)
    (path / "proofs").mkdir()
    for number, kind, seconds, name in rows:
        change(path, f"INSERT INTO proofs VALUES ({number}, '{kind}', 5, 6, 7, {seconds}, '{name}')")
        if name and Path(name).name == name:
            (path / "proofs" / name).write_text(f"of {path.name}")
    return path


def test_what_was_proved_anywhere_is_proved(machines: list[Path], tmp_path: Path) -> None:
    """A campaign that goes on in the new directory need not prove it again; a violation stands
    before a proof, and what took longer before what was given up sooner.
    """
    one = proving(machines[0], tmp_path / "1", (1, "proved", 2.0, "a.json"), (2, "unfinished", 1.0, ""))
    rest = (2, "unfinished", 4.0, ""), (3, "proved", 1.0, "c.json"), (4, "proved", 1.0, "d.json")
    two = proving(machines[1], tmp_path / "2", (1, "unfinished", 9.0, ""), *rest)
    three = proving(machines[2], tmp_path / "3", (4, "violated", 1.0, ""))
    for name, sources in ("a", [one, two, three]), ("b", [three, two, one]):
        merge(sources, tmp_path / name, 9)
        known = [(row[0], row[1], row[5]) for row in rows(tmp_path / name, "proofs")["proofs"]]
        assert [(1, "proved", 2.0), (2, "unfinished", 4.0), (3, "proved", 1.0), (4, "violated", 1.0)] == known
        kept = {file.name: file.read_text() for file in (tmp_path / name / "proofs").iterdir()}
        assert {"a.json": "of 1", "c.json": "of 2"} == kept
        assert 2 == sum(cell.proved for cell in gather(tmp_path / name).cells)


def test_a_proof_without_its_certificate_is_left_out(machines: list[Path], tmp_path: Path) -> None:
    """The certificate may be gone, or a stranger may have put a link or a path in its place."""
    (tmp_path / "secret.json").write_text("a secret")
    gone = proving(machines[0], tmp_path / "gone", (1, "proved", 1.0, "a.json"), (2, "proved", 1.0, "../secret.json"))
    (gone / "proofs" / "a.json").unlink()
    (gone / "proofs" / "a.json").symlink_to(tmp_path / "secret.json")
    led = proving(machines[1], tmp_path / "led", (3, "proved", 1.0, "secret.json"))
    shutil.rmtree(led / "proofs")
    (led / "proofs").symlink_to(tmp_path)
    merge([gone, led], tmp_path / "both", 9)
    assert [] == rows(tmp_path / "both", "proofs")["proofs"]
    assert not (tmp_path / "both" / "proofs").exists()


# -- what is refused -----------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], into: Path, *sources: Path, seed: int = 9) -> str:
    """Return what merge says as it refuses; nothing may be made."""
    capsys.readouterr()
    before = sorted(into.parent.iterdir())
    assert 2 == main(["merge", *map(str, sources), "--into", str(into), "--seed", str(seed)], TOYS)
    assert before == sorted(into.parent.iterdir())
    return capsys.readouterr().err


def test_nothing_is_counted_twice(machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, _ = machines
    copy = shutil.copytree(one, tmp_path / "copy")
    assert "the executions of seed 0x1 are in both" in refused(capsys, tmp_path / "x", one, copy)
    merge([one, two], tmp_path / "both", 9)
    assert "the executions of seed 0x2 are in both" in refused(capsys, tmp_path / "x", tmp_path / "both", two)
    assert "--seed 0x2: " in refused(capsys, tmp_path / "x", one, two, seed=2)
    assert "is there already" in refused(capsys, tmp_path / "both", one, two)
    assert "which is only read" in refused(capsys, one / "all", one, two)
    assert "two directories or more" in refused(capsys, tmp_path / "x", one)
    assert "holds no campaign" in refused(capsys, tmp_path / "x", one, tmp_path / "none")


def test_only_the_same_search_is_merged(
    machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = campaign(tmp_path / "other", 7, *(word for word in WORDS if word != "mailbox"), executions=5)
    assert 'they have scenarios ["abba", "counters", "mailbox"] and' in refused(
        capsys, tmp_path / "x", machines[0], other
    )
    for column, words in (("model", "another model of the kernel"), ("code", "another code of yours")):
        copy = shutil.copytree(machines[0], tmp_path / column)
        change(copy, f"UPDATE generations SET {column} = 'other'")
        assert words in refused(capsys, tmp_path / "x", machines[1], copy)
    copy = shutil.copytree(machines[0], tmp_path / "cases")
    change(copy, "UPDATE cases SET params = '{\"x\": 9}' WHERE id = 1")
    assert "number their cases differently" in refused(capsys, tmp_path / "x", machines[1], copy)


def change(directory: Path, statement: str) -> None:
    """Change the database of a directory."""
    import sqlite3

    db = sqlite3.connect(directory / "campaign.sqlite")
    with db:
        db.execute(statement)
    db.close()


def test_a_campaign_at_work_is_not_merged(
    machines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "tests.stress.campaign_toys", str(tmp_path / "work"), "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: (tmp_path / "work").exists() and executions(tmp_path / "work") > 0)
            assert "a campaign is at work in it" in refused(capsys, tmp_path / "x", tmp_path / "work", machines[0])
        finally:
            process.kill()


def test_a_full_disk_leaves_nothing(machines: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(merging, "write_atomically", full)
    with pytest.raises(StorageError, match="make room"):
        merge(machines, tmp_path / "all", 9)
    assert [] == list(tmp_path.iterdir())


def test_no_link_is_followed(machines: list[Path], tmp_path: Path) -> None:
    """A stranger's directory may lead to what is not theirs to have copied, or shown."""
    (tmp_path / "secret").write_text("a secret\n")
    theirs = shutil.copytree(machines[0], tmp_path / "theirs")
    for folder in (theirs / "failures").iterdir():
        (folder / "report.txt").unlink()
        (folder / "report.txt").symlink_to(tmp_path / "secret")
    assert all(found.page == "" and found.message for found in gather(theirs).findings)
    merge([theirs, machines[1]], tmp_path / "both", 9)
    assert not any("a secret" in file.read_text() for file in (tmp_path / "both").rglob("report.txt"))


def test_what_an_earlier_merge_has_left_is_no_hindrance(machines: list[Path], tmp_path: Path) -> None:
    """One that was killed leaves its unfinished directory under another name."""
    (tmp_path / ".all.merging" / "failures" / "x").mkdir(parents=True)
    merge(machines[:2], tmp_path / "all", 9)
    assert [tmp_path / "all"] == list(tmp_path.iterdir())
