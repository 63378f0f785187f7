"""The command line: output, exit statuses, and what is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stress.cli import list as list_command
from stress.cli import main as cli
from stress.errors import ForeignYield
from stress.trace.file import load, save
from tests.toy import TOYS, NoLock

ROOT = Path(__file__).resolve().parents[2]
CHILD = "import sys; from tests.toy import TOYS; from stress.cli.main import main; sys.exit(main(catalogue=TOYS))"
RUN = ["run", "counters", "--profile", "toy"]
FAILS = [*RUN, "--fault", "T01", "--seed", "3", "--strategy", "round-robin"]


def zapstress(*words: str) -> int:
    """Run the command line on the toys."""
    return cli.main(words, TOYS)


@pytest.fixture
def trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A failure's trace."""
    assert zapstress(*FAILS, "--save", str(tmp_path / "trace")) == 1
    capsys.readouterr()
    return str(tmp_path / "trace")


def test_a_fault_that_is_silent_here_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, after a verdict that says nothing of it; where the fault can show, nothing
    is said.
    """
    words = [*RUN, "--fault", "T01", "--strategy", "sequential"]
    assert zapstress(*words) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(NoLock, "silent", {"toy": "nobody counts on it"})
    assert zapstress(*words) == 0
    assert capsys.readouterr().err == "zapstress: T01 is expected to be silent on toy: nobody counts on it\n"


def test_run_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """A clean execution says so and exits with 0."""
    assert zapstress(*RUN) == 0
    assert capsys.readouterr().out.startswith("clean; counters on toy, kernel 6.9, ")


def test_run_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, and nothing else."""
    assert zapstress(*FAILS, "--param", "rounds=3", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"]["checker"] == "T1"
    assert (found["seed"], found["params"], found["faults"], found["trace"]) == (3, {"rounds": 3}, ["T01"], None)


def test_run_prints_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A violation is shown, with the command that replays it."""
    assert zapstress(*FAILS, "--save", str(tmp_path / "t")) == 1
    out = capsys.readouterr().out
    assert out.startswith("BUG: lost-update in toy_increment")
    assert out.rstrip().endswith(f"replay  zapstress replay {tmp_path / 't'}")


def test_run_is_the_same_under_both_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    """Output and all."""
    found = []
    for driver in ("fast", "reference"):
        zapstress(*FAILS, "--json", "--driver", driver)
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]


def test_run_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    """A spent budget is 5."""
    assert zapstress("run", "endless", "--profile", "toy", "--steps-max", "50") == 5
    assert "the budget of 50 steps ran out" in capsys.readouterr().out


def test_replay(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The violation again, as recorded; its steps if asked."""
    assert zapstress("replay", trace) == 1
    assert (
        f"as recorded: {load(trace).steps} steps, digest {load(trace).digest}, fast driver" in capsys.readouterr().out
    )
    assert zapstress("replay", trace, "--steps") == 1
    assert len(capsys.readouterr().out.splitlines()) == load(trace).steps + 2


def test_replay_json(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with the steps in it if asked."""
    assert zapstress("replay", trace, "--json", "--steps", "--driver", "reference") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["digest"], len(found["listing"]), found["mode"]) == (
        True,
        load(trace).digest,
        load(trace).steps,
        "strict",
    )


def test_replay_without_faults(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Clean, and 0."""
    assert zapstress("replay", trace, "--without-faults", "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["kind"] == "clean"


def test_replay_tolerant_and_continued(trace: str) -> None:
    """Both end, with the status of what they found."""
    assert zapstress("replay", trace, "--tolerant") == 1
    assert zapstress("replay", trace, "--continue-with", "random") == 1


def test_show(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The page; a failure's folder stands for its trace."""
    assert zapstress("show", trace) == 0
    page = capsys.readouterr().out
    assert page.startswith("BUG: lost-update")
    assert zapstress("show", os.path.dirname(trace), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page"].startswith("BUG: lost-update")
    assert found["ending"]["signature"] == load(trace).ending.signature


@pytest.mark.parametrize("kind", ["scenarios", "faults", "kernels", "profiles", "strategies", "checkers"])
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names with a line about each."""
    assert zapstress("list", kind) == 0
    lines = capsys.readouterr().out.splitlines()
    assert zapstress("list", kind, "--json") == 0
    found = json.loads(capsys.readouterr().out)[kind]
    assert [line.split()[0] for line in lines] == [entry["name"] for entry in found]
    assert all(entry["about"] for entry in found)


BAD: dict[str, tuple[list[str], str]] = {
    "command": (["rum"], "unknown command 'rum'; did you mean run?"),
    "scenario": (
        ["run", "conters", "--profile", "toy"],
        "unknown scenario 'conters'; did you mean counters? (zapstress list shows all)",
    ),
    "profile": (["run", "counters", "--profile", "tay"], "unknown profile 'tay'; did you mean toy?"),
    "fault": ([*RUN, "--fault", "T1"], "unknown fault 'T1'; did you mean T01?"),
    "strategy": ([*RUN, "--strategy", "rnd"], "unknown strategy 'rnd'; did you mean random?"),
    "parameter": ([*RUN, "--param", "turns=3"], "scenario counters has no parameter 'turns'; it has: rounds"),
    "number": ([*RUN, "--param", "rounds=-1"], "parameter rounds of counters is from 1 to 3 on toy, not -1"),
    "fault twice": ([*RUN, "--fault", "T01", "--fault", "t01"], "fault 'T01' is named twice"),
    "seed": ([*RUN, "--seed", "-1"], "--seed is a number from 0"),
    "no number": ([*RUN, "--seed", "x"], "--seed: invalid number value: 'x' (zapstress run --help shows the options)"),
    "no scenario": (["run"], "the following arguments are required: SCENARIO"),
    "no such option": (["list", "--nope"], "unrecognized arguments: --nope"),
    "value": ([*RUN, "--param", "rounds=many"], "--param rounds=many: write NAME=NUMBER"),
    "budget": ([*RUN, "--steps-max", "0"], "--steps-max is a number from 1 to 300000"),
    "missing trace": (["replay", "nowhere"], "nowhere: cannot be read (No such file or directory)"),
    "foreign trace": (["show", __file__], "not a zapstress trace"),
    "missing file": ([*RUN, "--kernel", "no.py:Mine"], "--patch no.py: there is no file no.py"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_usage(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says what to do, nothing on standard output, and 2."""
    words, message = BAD[what]
    assert zapstress(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_bad_usage_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the error is an object too."""
    assert zapstress("run", "nothing", "--profile", "toy", "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found["exit_status"] == 2
    assert found["error"].startswith("unknown scenario 'nothing'")


@pytest.mark.parametrize("words", [["rum"], ["run"], ["campaign", "--duration", "soon"]])
def test_bad_options_as_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """So is an error of the command line itself."""
    assert zapstress(*words, "--json") == 2
    assert json.loads(capsys.readouterr().out)["exit_status"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"geometry": "huge"}, "unknown geometry 'huge'"),
        ({"params": (("rounds", 1 << 60),)}, "parameter rounds of counters is from 1 to 3"),
        ({"params": (("turns", 1),)}, "scenario counters has no parameter 'turns'"),
    ],
)
def test_a_strangers_trace(
    change: dict[str, Any], message: str, trace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trace that is whole, of a case that cannot be: nothing is composed, whoever reads it."""
    made = load(trace)
    save(replace(made, case=replace(made.case, **change)), trace)
    for command in ("replay", "show"):
        assert zapstress(command, trace) == 2
        assert message in capsys.readouterr().err


def test_unwritable(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A place that cannot be written is 3, in one line."""
    assert zapstress(*RUN, "--save", str(tmp_path / "no" / "trace")) == 3
    assert "cannot be written (No such file or directory); name another directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "zapstress: interrupted"),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, "zapstress: interrupted"),
        (
            ZeroDivisionError("two\nlines"),
            3,
            "zapstress: ZeroDivisionError: two lines (ZAPSTRESS_TRACEBACK=1 shows where)",
        ),
        (ForeignYield("it yielded"), 3, "zapstress: it yielded"),
    ],
)
def test_whatever_happens(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line and the documented status."""

    def run(args: Any) -> int:
        raise error

    monkeypatch.setattr(list_command, "run", run)
    assert zapstress("list") == status
    assert capsys.readouterr().err == line + "\n"


def test_traceback_on_demand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """ZAPSTRESS_TRACEBACK=1 shows where it happened."""
    monkeypatch.setenv("ZAPSTRESS_TRACEBACK", "1")
    zapstress("run", "nothing")
    assert "Traceback" in capsys.readouterr().err


def test_user_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """FILE.py:CLASS overrides a component; its trace is replayed only when the file is named again."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from tests.toy import NoLock\nclass Mine(NoLock):\n    component = 'counter'\n"
        "class Bare:\n    pass\nOTHER = 3\n"
    )
    kernel, saved = f"{file}:Mine", str(tmp_path / "trace")
    assert zapstress(*RUN, "--kernel", kernel, "--strategy", "round-robin", "--save", saved) == 1
    assert zapstress("replay", saved) == 2
    assert "only if you name its file: --patch mine.py:Mine" in capsys.readouterr().err
    assert zapstress("replay", saved, "--kernel", kernel) == 1
    assert zapstress("show", saved, "--kernel", kernel) == 0
    assert zapstress("replay", saved, "--without-faults") == 0
    for name, message in (
        ("Bare", "give Bare an attribute component"),
        ("None", "defines no class None"),
        ("OTHER", "defines no class OTHER"),
    ):
        assert zapstress(*RUN, "--kernel", f"{file}:{name}") == 2
        assert message in capsys.readouterr().err
    file.write_text("1 / 0\n")
    assert zapstress(*RUN, "--kernel", kernel) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def child(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-c", CHILD, *words], cwd=ROOT, text=True, check=False, **more)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["list", "scenarios"],
        ["list", "faults"],
        ["list", "strategies"],
        ["list", "checkers"],
    ],
)
def test_quick_commands_import_little(words: list[str]) -> None:
    """Help and lists load neither numpy nor trio, and no scenario."""
    code = (
        f"import sys; from stress.cli.main import main; main({words!r}); "
        "print(sorted(set(sys.modules) & {'numpy', 'trio'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_module_is_runnable() -> None:
    """``python -m stress`` is zapstress."""
    done = subprocess.run(
        [sys.executable, "-m", "stress", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: zapstress COMMAND")


def test_reader_that_goes_away(trace: str) -> None:
    """A closed pipe is no failure: no noise, and the status of the execution."""
    reader, writer = os.pipe()
    os.close(reader)
    done = child("replay", trace, "--steps", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_on_a_full_disk() -> None:
    """A standard output that cannot be written is 3, in one line."""
    with open("/dev/full", "w") as full:
        done = child(*RUN, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
