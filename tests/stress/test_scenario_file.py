"""A scenario of the user's own: run from its file, kept like a patch, and its mistakes are its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from stress.campaign.results import Results
from stress.cli.main import main
from tests.stress.patch_toys import UNLOCKED, campaign, written
from tests.toy import TOYS

SCENARIO = '''
from sim.core.bug import BUG_ON
from tests.toy import ToyScenario


class Twice(ToyScenario):
    """Two threads that increment twice."""

    async def thread(self, cpu):
        await self.count(cpu)
        await self.count(cpu)
'''


def file(path: Path, more: str = "", text: str = SCENARIO) -> str:
    """Write a scenario, whose thread does ``more`` at its end; return the file's name."""
    path.write_text(text + (f"        {more}\n" if more else ""))
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run a command; return what it has printed as JSON."""
    status = main([*words, "--json"], TOYS)
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return found | {"status": status}


def test_a_scenario_runs_from_its_file_with_a_patch_and_alone(tmp_path: Path) -> None:
    scenario, patch = file(tmp_path / "twice.py"), written(tmp_path / "p.py", UNLOCKED)
    alone = campaign(tmp_path / "alone", "", 40, scenario=scenario)
    assert (0, {scenario: {"toy": 40}}) == (alone["exit_status"], alone["cells"])
    patched = campaign(tmp_path / "patched", patch, 40, scenario=scenario)
    assert [("T1", scenario)] == [(row["checker"], row["scenario"]) for row in patched["violations"]]
    assert [scenario] == patched["overrides"][0]["scenarios"]


def test_an_edited_scenario_begins_a_generation(tmp_path: Path) -> None:
    scenario = file(tmp_path / "twice.py")
    assert 1 == campaign(tmp_path / "results", "", 4, scenario=scenario)["generation"]
    file(tmp_path / "twice.py", "await self.count(cpu)")
    data = campaign(tmp_path / "results", "", 4, scenario=scenario)
    assert (2, 4) == (data["generation"], data["executions"])
    with Results.open(tmp_path / "results") as results:
        rows = results.db.execute("SELECT role, path, length(text) FROM texts ORDER BY generation").fetchall()
    assert [("scenario", scenario, len(SCENARIO))] == rows[:1] and rows[1][2] > len(SCENARIO)


def test_a_trace_keeps_the_scenario_and_does_not_run_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, trace = file(tmp_path / "twice.py"), str(tmp_path / "trace")
    assert 0 == said(capsys, "run", scenario, "--profile", "toy", "--save", trace)["status"]
    for command in ("replay", "show"):
        refused = said(capsys, command, trace)
        assert (2, True) == (refused["status"], f"--scenario {scenario}" in refused["error"])
    assert 0 == said(capsys, "replay", trace, "--scenario", scenario)["status"]
    shown = said(capsys, "show", trace, "--scenario", scenario)
    assert (0, [["twice.py", SCENARIO]]) == (shown["status"], shown["scenario_file"]["files"])
    file(tmp_path / "twice.py", "await self.count(cpu)")
    assert 5 == main(["replay", trace, "--scenario", scenario], TOYS)
    assert f"the text of --scenario {scenario} is not what it was" in capsys.readouterr().err
    assert 0 == main(["show", trace, "--patch-text"], TOYS)
    assert SCENARIO.strip() in capsys.readouterr().out


def test_the_page_says_how_to_replay_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = file(tmp_path / "twice.py", 'BUG_ON(self.kernel.counter[0] > 0, "it counts")')
    trace = str(tmp_path / "trace")
    assert 1 == main(["run", scenario, "--profile", "toy", "--save", trace], TOYS)
    printed = capsys.readouterr().out
    assert "it counts" in printed and f"zapstress replay {trace} --scenario {scenario}" in printed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("raise LookupError('no page')", "LookupError: no page"),
        ("assert self.kernel.counter[0] == 0", "AssertionError"),
        ("self.kernel.counter[7]", "IndexError"),
    ],
)
def test_a_mistake_in_a_scenario_is_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, words: str
) -> None:
    scenario = file(tmp_path / "twice.py", more)
    found = said(capsys, "run", scenario, "--profile", "toy")
    assert 2 == found["status"] and found["error"].startswith(f"{scenario}:{len(SCENARIO.splitlines()) + 1}: {words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "defines 0 scenarios"),
        (SCENARIO + "\n\nclass Other(Twice):\n    pass\n", "defines 2 scenarios (Twice, Other)"),
        (SCENARIO + SCENARIO, ":17: class Twice is there already, in line 6"),
        ("def f(:\n", ":1: SyntaxError"),
        (
            SCENARIO.replace("async def", "def world(self):\n        return 1 // 0\n\n    async def"),
            "ZeroDivisionError",
        ),
    ],
)
def test_a_file_that_is_no_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    scenario = file(tmp_path / "twice.py", text=text)
    found = said(capsys, "run", scenario, "--profile", "toy")
    assert 2 == found["status"] and words in found["error"] and scenario in found["error"]


def test_a_strangers_directory_does_not_run_its_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = file(tmp_path / "twice.py")
    campaign(tmp_path / "results", "", 4, scenario=scenario)
    found = said(capsys, "campaign", "--dir", str(tmp_path / "results"), "--executions", "1")
    assert 2 == found["status"] and f"--scenario {scenario}" in found["error"]
