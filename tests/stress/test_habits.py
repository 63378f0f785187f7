"""Habits of a command line: completion, the manual, quiet and verbose, colours, a campaign's file."""

from __future__ import annotations

import argparse
import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from stress.campaign import progress
from stress.campaign.supervisor import Campaign
from stress.case import Case
from stress.cli.campaign import DISK_MIB_MAX
from stress.cli.main import main
from stress.cli.manual import page_lines, roff
from stress.cli.parsers import COMMANDS, options_of, parser_of
from stress.cli.serve import PORT
from stress.workers.messages import Failure
from stress.workers.settings import Budget
from tests.stress.campaign_toys import TOYS

QUICK = ["--machine", "lockstep", "--workers", "1", "--seed", "5"]


def status_of(directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what ``status --json`` prints."""
    capsys.readouterr()
    main(["status", str(directory), "--json"], TOYS)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


# -- completion ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The completion for bash, of the toys."""
    file = tmp_path_factory.mktemp("completion") / "zapstress"
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        patch.setenv("COLUMNS", "80")
        assert 0 == main(["completion", "bash"], TOYS)
    file.write_text(out.getvalue())
    return file


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["camp"], ["campaign"]),
        (["campaign", "--scenario", "cou"], ["counters"]),
        (["campaign", "--profile", ""], ["toy"]),
        (["campaign", "--machine", "lo"], ["lockstep"]),
        (["list", "sc"], ["scenarios"]),
        (["list", "scenarios", "cou"], ["counters"]),
        (["report", "--for"], ["--format"]),
    ],
)
def test_bash_completes(script: Path, words: list[str], offered: list[str]) -> None:
    typed = shlex.join(["zapstress", *words])
    program = (
        f"source {script}; COMP_WORDS=({typed});"
        f" COMP_CWORD={len(words)}; _shtab_zapstress; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert offered == done.stdout.split()


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["completion", shell], TOYS)
    script = capsys.readouterr().out
    assert all(re.search(rf"\b{name}\b", script) for name in COMMANDS)


# -- the manual ----------------------------------------------------------------------------------------------------


def test_the_manual_has_every_option() -> None:
    page = "\n".join(page_lines("1.0")).replace("\\-", "-")
    for name in COMMANDS:
        assert f".SS zapstress {name}\n" in page
        for action in options_of(parser_of(name)):
            assert all(f"\\fB{option}\\fR" in page for option in action.option_strings), (name, action)
    assert "%(" not in page, "a default that was not filled in"


def test_no_word_is_a_request() -> None:
    """A line of text that begins with a dot or a quote, or has a backslash, is shown as it is."""
    assert ("\\&.TH", "\\&'a'", "a\\(rsfB\\-\\-b") == (roff(".TH"), roff("'a'"), roff("a\\fB--b"))
    requests = {line.split()[0] for line in page_lines("1.0") if line.startswith((".", "'"))}
    assert {".TH", ".ad", ".nh", ".SH", ".SS", ".TP", ".br"} == requests


def test_man_shows_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    assert 0 == main(["manual"], TOYS)
    page = capsys.readouterr().out
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww"], input=page, capture_output=True, text=True, check=True)
    wrong = [
        line for line in done.stderr.splitlines() if "cannot adjust line" not in line and "can't break" not in line
    ]
    assert not wrong
    assert "--disk-mib-max" in re.sub(r".\x08|\x1b\[\d+m", "", done.stdout)


# -- quiet, verbose, colours ---------------------------------------------------------------------------------------


def test_quiet_says_nothing_but_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["campaign", "-q", "--scenario", "counters", *QUICK, "--executions", "5", "--dir", str(tmp_path / "d")]
    assert 0 == main(words, TOYS)
    said = capsys.readouterr()
    assert "" == said.err and "no violation" in said.out
    assert 2 == main(["campaign", "-q", "--scenario", "nonesuch"], TOYS)
    assert "nonesuch" in capsys.readouterr().err
    assert 0 == main([word for word in words if word != "-q"], TOYS)
    assert "campaign of seed 0x5" in capsys.readouterr().err, "it is quiet for one command"


def test_verbose_tells_each_new_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["campaign", "--scenario", "counters", "--fault", "T01", *QUICK, "--executions", "40"]
    assert 1 == main([*words, "-v", "--dir", str(tmp_path / "v")], TOYS)
    assert re.search(r"^found [0-9a-f]{8} T1 lost-update, seed \d+$", capsys.readouterr().err, re.MULTILINE)
    assert 1 == main([*words, "--dir", str(tmp_path / "p")], TOYS)
    assert "found " not in capsys.readouterr().err
    assert 2 == main(["show", "-v", str(tmp_path / "none")], TOYS)
    assert "Traceback" in capsys.readouterr().err
    assert 2 == main([*words, "-q", "-v"], TOYS)


class _Running:
    """A campaign at work, as the table of progress sees it."""

    budget = Budget(duration_s=7200.0)
    elapsed_s, executions, steps, failures = 100.0, 12345, 10**6, 3

    class store:
        distinct = {"classes": type("D", (), {"estimate": staticmethod(lambda: 9999)})}

    class fleet:
        deaths, kernels = 0, ("x86-64",)

        @staticmethod
        def at_work() -> list[tuple[str, int]]:
            return [("starting", 0), ("idle", 7), ("proving", 7), ("reporting", 7)]

    class compiled:
        @staticmethod
        def has(key: object) -> bool:
            return False

    cases = {7: Case("storm", (), "x86-64", "small", "6.9", ())}


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_no_color(no_color: str | None, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are red on a terminal, unless NO_COLOR is set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    console.print(progress._table(_Running()))  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert coloured == bool(re.search(r"\x1b\[[\d;]*31m", text))
    assert "1 min 40 s" in text and "1 h 58 min" in text and "12,345" in text
    assert "starting,idle,proving:storm@x86-64,storm@x86-64" in text.replace("\n", "") and "0/1" in text


@pytest.mark.parametrize(
    ("budget", "left"),
    [(Budget(duration_s=90.0), 0), (Budget(executions=24690), 100), (Budget(executions=5), 0)],
)
def test_what_is_left_of_the_budget(budget: Budget, left: int) -> None:
    running = _Running()
    running.budget = budget
    assert left == progress.left_s(running, 100.0)  # type: ignore[arg-type]
    running.executions = 0
    assert progress.left_s(running, 100.0) == (0 if budget.duration_s else "-")  # type: ignore[arg-type]


def test_verbose_tells_of_a_signature_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker sends the evidence of the first that it finds."""
    told: list[str] = []
    monkeypatch.setattr("stress.campaign.supervisor.detail", told.append)
    campaign = SimpleNamespace(failures=0, told=set(), budget=Budget(stop_on_first=False))
    for name in ("01234561", "01234561", "01234562"):
        found = Failure(signature=name, checker="T1", title="lost", strategy="pct", seed=1, trace=b"trace")
        Campaign._found(cast(Campaign, campaign), [found])
    assert ["found 01234561", "found 01234562"] == [line[:14] for line in told] and 3 == campaign.failures


# -- a campaign's file ---------------------------------------------------------------------------------------------

FILE = """\
[campaign]
scenario = ["counters", "mailbox"]
profile = "toy"
fault = ["T01"]
machine = "lockstep"
workers = 1
seed = 5
executions = 30
stop-on-first = false
disk_mib_max = 90
"""


def test_a_campaign_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zapstress.toml").write_text(FILE)
    words = ["campaign", "--file", str(tmp_path / "zapstress.toml"), "--dir"]
    assert 1 == main([*words, str(tmp_path / "a")], TOYS)
    data = status_of(tmp_path / "a", capsys)
    assert (5, ["counters", "mailbox"], ["T01"], 30) == (
        data["seed"], data["scenarios"], data["faults"], data["executions"],
    )  # fmt: skip


def test_the_command_line_goes_before_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text(FILE.replace("executions = 30", 'duration = "10m"'))
    more = ["--scenario", "abba", "--seed", "9", "--executions", "12"]
    main(["campaign", "--file", str(tmp_path / "c.toml"), "--dir", str(tmp_path / "a"), *more], TOYS)
    data = status_of(tmp_path / "a", capsys)
    assert (9, ["abba"], 12) == (data["seed"], data["scenarios"], data["executions"])


def heard(monkeypatch: pytest.MonkeyPatch, option: str) -> list[object]:
    """Return a list that grows by the value of an option with each campaign, which is not run."""
    found: list[object] = []

    def search(args: argparse.Namespace) -> dict[str, int]:
        found.append(getattr(args, option))
        return {"exit_status": 0}

    monkeypatch.setattr("stress.cli.campaign.search", search)
    return found


def test_an_option_with_the_value_of_its_default_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was typed counts, not what it differs from."""
    (tmp_path / "c.toml").write_text(FILE)
    limits = heard(monkeypatch, "disk_mib_max")
    words = ["campaign", "--file", str(tmp_path / "c.toml")]
    for more in ([], ["--disk-mib-max", str(DISK_MIB_MAX)], [f"--disk-mib-max={DISK_MIB_MAX}"]):
        main([*words, *more], TOYS)
    assert [90, DISK_MIB_MAX, DISK_MIB_MAX] == limits


def test_a_file_may_say_how_much_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed goes before it, also the other one of two."""
    (tmp_path / "c.toml").write_text(f"{FILE}quiet = true\n")
    words = ["campaign", "--file", str(tmp_path / "c.toml"), "--dir"]
    assert 1 == main([*words, str(tmp_path / "a")], TOYS)
    assert "" == capsys.readouterr().err
    assert 1 == main([*words, str(tmp_path / "b"), "-v"], TOYS)
    assert "found " in capsys.readouterr().err


def test_an_option_whose_value_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = heard(monkeypatch, "serve")
    for value in ("true", "false", "9000"):
        (tmp_path / "c.toml").write_text(f"{FILE}serve = {value}\n")
        main(["campaign", "--file", str(tmp_path / "c.toml")], TOYS)
    assert [PORT, None, 9000] == ports


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "wants one table, [campaign]; it has none"),
        ("[campaign]\n[more]\n", "it has campaign, more"),
        ("campaign = 3\n", "wants one table"),
        ("[campaign\n", "cannot be read as TOML"),
        ("[campaign]\nscenarioo = 'x'\n", "no option of zapstress campaign is called so"),
        ("[campaign]\nfile = 'x'\n", "no option of zapstress campaign is called so"),
        ("[campaign]\nseed = true\n", "seed = True: wants a text or a number"),
        ("[campaign]\nstop-on-first = 1\n", "wants true or false"),
        ("[campaign]\nseed = [1, 2]\n", "wants a text or a number"),
        ("[campaign]\nworkers = 0\n", "workers: 0 is not a number from 1"),
        ("[campaign]\nduration = '1m'\nexecutions = 3\n", "not allowed with"),
    ],
)
def test_files_that_are_no_campaign(tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text(text)
    assert 2 == main(["campaign", "--file", str(tmp_path / "c.toml"), "--dir", str(tmp_path / "d")], TOYS)
    line = capsys.readouterr().err
    assert told in line and "c.toml" in line and 1 == line.count("\n")
    assert not (tmp_path / "d").exists()
