"""What is expected: ``mark``, ``campaign --baseline``, and what it means for the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.directory import EXPECTED
from stress.campaign.results import baseline
from stress.cli.main import main
from tests.stress.campaign_toys import TOYS

WORDS = ("campaign", "--machine", "lockstep", "--workers", "1", "--seed", "5", "--fault", "T01")


def campaign(path: Path, *words: str, executions: int = 60) -> int:
    """Run a campaign; return its status."""
    return main([*WORDS, "--executions", str(executions), "--dir", str(path), *words], TOYS)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign that has found a lost update."""
    path = tmp_path_factory.mktemp("baseline") / "old"
    assert 1 == campaign(path, "--scenario", "counters")
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    """Run a command; return its status and its object."""
    capsys.readouterr()
    status = main([*map(str, words), "--json"], TOYS)
    return status, json.loads(capsys.readouterr().out)


def test_a_baseline_excuses_what_it_has(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (signature,) = baseline(old)
    new = tmp_path / "new"
    assert 0 == campaign(new, "--scenario", "counters", "--baseline", str(old))
    status, data = said(capsys, "status", new)
    assert (0, {signature: "in the baseline"}) == (
        status, {found["signature"]: found["expected"] for found in data["violations"]},
    )  # fmt: skip
    assert 0 == campaign(new, "--scenario", "counters"), "the directory remembers it"


def test_a_baseline_excuses_nothing_else(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new"
    assert 1 == campaign(new, "--scenario", "counters", "abba", "--baseline", str(old))
    said_of = {found["title"]: found["expected"] for found in said(capsys, "status", new)[1]["violations"]}
    assert {"lost-update": "in the baseline", "deadlock": None} == said_of


def test_a_search_stops_at_the_first_that_is_new(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scenario", "counters", "--stop-on-first"]
    assert 1 == campaign(tmp_path / "a", *words)
    assert "found" == said(capsys, "status", tmp_path / "a")[1]["ended"]
    assert 0 == campaign(tmp_path / "b", *words, "--baseline", str(old))
    data = said(capsys, "status", tmp_path / "b")[1]
    assert ("done", 60) == (data["ended"], data["executions"])


def test_a_baseline_of_a_baseline(old: Path, tmp_path: Path) -> None:
    """What a baseline expects is expected, with its reason, and what was marked here stays."""
    new = tmp_path / "new"
    campaign(new, "--scenario", "mailbox", "--baseline", str(old), executions=5)
    (signature,) = baseline(old)
    assert 0 == main(["mark", signature, "expected", "--why", "known since 6.9", "--dir", str(new)], TOYS)
    assert {signature: "known since 6.9"} == baseline(new)
    campaign(new, "--baseline", str(old), executions=5)
    assert {signature: "known since 6.9"} == json.loads((new / EXPECTED).read_text())


def test_marks_come_and_go(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (signature,) = baseline(old)
    short = signature[:3].upper()
    assert (0, "as in v6.9") == tuple_of(said(capsys, "mark", short, "expected", "--why", "as in\nv6.9", "--dir", old))
    assert 0 == said(capsys, "status", old)[0]
    assert (0, None) == tuple_of(said(capsys, "mark", signature, "unexpected", "--dir", old))
    assert 1 == said(capsys, "status", old)[0]


def tuple_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, Any]:
    """Return a status, and why the signature is expected."""
    return answer[0], answer[1]["expected"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["zzz", "expected", "--why", "x"], "no signature of this campaign"),
        (["", "expected", "--why", "x"], "no signature of this campaign"),
        (["SIGNATURE", "expected"], "--why wants the reason"),
        (["SIGNATURE", "expected", "--why", " "], "--why wants the reason"),
        (["SIGNATURE", "unexpected", "--why", "x"], "needs no reason"),
        (["SIGNATURE", "fixed"], "invalid choice"),
    ],
)
def test_marks_that_cannot_be_made(old: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    (signature,) = baseline(old)
    assert 2 == main(["mark", *(word.replace("SIGNATURE", signature) for word in words), "--dir", str(old)], TOYS)
    assert told in capsys.readouterr().err
    assert not (old / EXPECTED).exists() or {} == json.loads((old / EXPECTED).read_text())


def test_a_baseline_must_be_a_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == campaign(tmp_path / "new", "--scenario", "counters", "--baseline", str(tmp_path))
    assert "holds no campaign" in capsys.readouterr().err
    assert not (tmp_path / "new").exists(), "nothing was begun"
