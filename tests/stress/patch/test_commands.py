"""Patches on the command line: what is printed works as it is typed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from stress.cli.main import main
from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from tests.stress.patch.patches import method, written

WRONG = method("def rss_nr(self, nr)", "return 1")
SOUND = method("def rss_nr(self, nr)", "return nr")
BROKEN = method("def rss_nr(self, nr)", "return nr.count")
RUN = ("run", "munmap_vs_access", "--param", "order=2")
ONE = ("--profile", "x86-64", "--scenario", "munmap_vs_access")
SEARCH = ("campaign", *ONE, "--machine", "lockstep", "--workers", "1", "--executions", "60", "--dir", "found")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], what: str) -> list[str]:
    """Return the words of the command after ``zapstress`` that was printed last, of those named."""
    found = re.findall(rf"zapstress ({what} .*)", capsys.readouterr().out)
    return shlex.split(found[-1])


def test_two_kernels_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither is dropped without a word."""
    written(here, SOUND)
    assert USAGE == main([*RUN, "--kernel", "6.18", "--kernel", "mine.py:Mine"])
    assert "--kernel is given twice, 6.18 and mine.py:Mine: name the version once" in capsys.readouterr().err
    assert CLEAN == main([*RUN, "--kernel", "6.18", "--patch", "mine.py:Mine"])
    assert USAGE == main([*RUN, "--patch", "mine.py", "--patch", "mine.py"])
    assert "--patch mine.py: Mine is named twice" in capsys.readouterr().err


def test_the_short_form_is_a_patch_on_the_default_version(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(here, WRONG)
    found = []
    for words in (("--kernel", "mine.py:Mine"), ("--patch", "mine.py:Mine")):
        assert VIOLATED == main([*RUN, *words, "--json"])
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert ("6.9", ["mine.py:Mine"]) == (found[0]["kernel"], found[0]["patch"])


def test_what_cannot_run_at_all_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(here, method("def block(self, ptep)", "return ptep", "pgtable"))
    for words in (RUN, SEARCH, ("check", "mine.py", *ONE)):
        patch = () if words[0] == "check" else ("--patch", "mine.py")
        assert USAGE == main([*words, *patch])
        assert "nothing of it can run on x86-64, kernel 6.9: pgtable.block: it is there only" in capsys.readouterr().err
    assert not (here / "found").exists()


def test_a_trace_is_replayed_as_it_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder with a space: the words are quoted for a shell."""
    (here / "my patches").mkdir()
    written(here / "my patches", WRONG)
    assert VIOLATED == main([*RUN, "--patch", "my patches/mine.py", "--save", "my trace"])
    words = printed(capsys, "replay")
    assert ["replay", "my trace", "--patch", "my patches/mine.py"] == words
    assert VIOLATED == main(words)
    assert "as recorded: " in capsys.readouterr().out


def test_a_trace_keeps_the_text_and_never_runs_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(here, WRONG)
    assert VIOLATED == main([*RUN, "--patch", "mine.py", "--save", "t"])
    written(here, SOUND)
    capsys.readouterr()
    for command in ("replay", "show"):
        assert USAGE == main([command, "t"])
        assert "which is run only if you name its file: --patch mine.py" in capsys.readouterr().err
    assert CLEAN == main(["show", "t", "--patch-text"])
    assert f"# mine.py\n{WRONG}".rstrip() == capsys.readouterr().out.rstrip()
    assert INCONCLUSIVE == main(["replay", "t", "--patch", "mine.py"])
    told = capsys.readouterr().err
    assert "the text of --patch mine.py is not what it was when the trace was made" in told
    assert "the patch is not the one that the trace was made with, so try --tolerant" in told
    assert CLEAN == main(["replay", "t", "--patch", "mine.py", "--tolerant"])
    assert CLEAN == main(["replay", "t", "--without-faults"])


def test_a_trace_without_a_patch_has_no_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert CLEAN == main([*RUN, "--save", "t"])
    assert USAGE == main(["show", "t", "--patch-text"])
    assert "the trace was made without a patch" in capsys.readouterr().err


def test_a_campaign_finds_it_and_prints_how_to_see_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(here, WRONG)
    assert VIOLATED == main([*SEARCH, "--patch", "mine.py"])
    words = printed(capsys, "show")
    assert CLEAN == main(words)
    assert printed(capsys, "replay") == ["replay", words[1], "--patch", "found/code/mine.py"]
    kept = Path(words[1]).relative_to("found")
    report = (here / "found" / kept.parent / "report.txt").read_text()
    assert f"zapstress replay {kept} --patch code/mine.py" in report
    written(here, method("def first_anon_folio(self)", "return super().first_anon_folio()", "vmscan"))
    assert INCONCLUSIVE == main(["recheck", "found", "--tolerant", "--patch", "mine.py"])
    assert "clean now; inconclusive: vmscan.first_anon_folio never ran" in capsys.readouterr().out


def test_a_mistake_ends_a_campaign_and_its_trace_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names the file and the line, and the command that shows what led to it."""
    written(here, BROKEN)
    assert USAGE == main([*SEARCH, "--patch", "mine.py"])
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "AttributeError" in line]
    assert "mine.py:6: in rss_nr: AttributeError" in told
    words = shlex.split(told.rpartition("zapstress ")[2])
    assert ["show", "found/error.trace", "--patch", "mine.py"] == words
    assert CLEAN == main(words)
    assert "^ here" in capsys.readouterr().out
    assert USAGE == main(["replay", "found/error.trace", "--patch", "mine.py"])
    assert "error: mine.py:6: in rss_nr" in capsys.readouterr().out


def test_a_mistake_in_a_run_is_kept_if_it_is_to_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(here, BROKEN)
    assert USAGE == main([*RUN, "--patch", "mine.py"])
    assert "; the same command with --save FILE keeps a trace" in capsys.readouterr().err
    assert USAGE == main([*RUN, "--patch", "mine.py", "--save", "t"])
    words = shlex.split(capsys.readouterr().err.rpartition("zapstress ")[2])
    assert CLEAN == main(words)


def test_clean_is_no_verdict_on_what_never_ran(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is a replay's, or the matrix of the planted faults."""
    written(here, method("def first_anon_folio(self)", "return super().first_anon_folio()", "vmscan"))
    cell = ("--fault", "M06", *ONE, "--executions", "40", "--workers", "1", "--dir", "cells")
    for command in (
        (*RUN, "--save", "t"),
        ("replay", "t"),
        ("replay", "t", "--shell", "--command", "bt", "--json"),
        ("selfcheck", *cell),
    ):
        assert INCONCLUSIVE == main([*command, "--patch", "mine.py"])
        assert "vmscan.first_anon_folio never ran, so nothing is known of it" in capsys.readouterr().out
    assert CLEAN == main(["run", "age_vs_exit", "--patch", "mine.py"])
