"""Standard output and error: closed, full, narrow, or a terminal that a stranger would speak to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stress.output import CONTROL, fitted, printable
from stress.sources import ROOT

CHILD = "import sys; from tests.toy import TOYS; from stress.cli.main import main; sys.exit(main(catalogue=TOYS))"
COMMANDS = (
    ["list", "scenarios"],
    ["--help"],
    ["run", "--help"],
    ["run", "counters", "--profile", "toy"],
    ["--version"],
)


def shell(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with a redirection of a shell's."""
    line = f'exec "$0" -c "$1" {" ".join(words)} {redirection}'
    command = ["bash", "-c", line, sys.executable, CHILD]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(("redirection", "what"), [(">/dev/full", "No space left on device"), (">&-", "is closed")])
def test_an_output_that_cannot_be_written_is_a_status_of_its_own(words: list[str], redirection: str, what: str) -> None:
    done = shell(redirection, *words)
    assert (3, 1) == (done.returncode, done.stderr.count("\n"))
    assert done.stderr.startswith("zapstress: standard output ") and what in done.stderr


def test_an_error_output_that_is_closed_or_full() -> None:
    closed = shell("2>&-", "list", "scenarios", "--json")
    assert (3, 3) == (closed.returncode, json.loads(closed.stdout)["exit_status"])
    full = shell("2>/dev/full", "list", "scenarios")
    assert (0, True) == (full.returncode, "counters" in full.stdout), "nothing was to be told there"
    assert 2 == shell("2>/dev/full", "run", "nothing", "--profile", "toy").returncode
    assert 3 == shell(">/dev/full 2>/dev/full", "list", "scenarios").returncode


def test_a_campaign_whose_lines_cannot_be_written_ends_with_3(tmp_path: Path) -> None:
    short = ("--scenario", "counters", "--executions", "5", "--workers", "1", "--dir", str(tmp_path / "dir"))
    assert 3 == shell("2>/dev/full", "campaign", *short).returncode


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x07", "\x9b31m", "a\rb", "\u202egpj.exe", "\u2066", "\ud800", "\x00", "\u200b"]
)
def test_what_acts_on_a_terminal_is_spelt_out(text: str) -> None:
    shown = printable(f"<{text}>")
    assert not CONTROL.search(shown) and shown.isprintable()
    assert "\\" in shown


def test_plain_text_stays_as_it_is() -> None:
    text = "a line\n\tand a second: naïve, 語, μs"
    assert text == printable(text)


def test_a_locale_without_these_letters(tmp_path: Path) -> None:
    name = tmp_path / "tr\u00e4ce"
    command = [sys.executable, "-X", "utf8=0", "-m", "stress", "show", str(name)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    assert (2, b"\n") == (done.returncode, done.stderr[-1:]) and b"cannot be read" in done.stderr


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_text_fits_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = "  " + "several words " * 20 + "\nshort\n\n    " + "x" * 300
    lines = fitted(text).split("\n")
    assert all(len(line) <= columns for line in lines if " x" not in line and "xxx" not in line)
    assert "short" in lines and text.split() == " ".join(lines).split()


def test_text_for_a_file_is_not_broken(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert "word " * 100 == fitted("word " * 100)


def test_a_command_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    command = "    zapstress show results/failures/28c6e1ac/trace --patch 'my own/p.py'"
    ending = f"it is kept; {command.strip()}"
    assert (command, ending) == (fitted(command), fitted(ending))
    assert "\n" in fitted("what zapstress shows of it is more than what a terminal holds in a line")
