"""The command that an interrupted campaign tells goes on with it, whatever its options were."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from stress.cli.campaign import resume_words
from stress.cli.main import main
from stress.workers.settings import Settings
from tests.stress.campaign_toys import TOYS
from tests.stress.patch_toys import ATOMIC, UNLOCKED, written
from tests.stress.test_scenario_file import file


def words_of(settings: Settings, where: Path, executions: int | None = 3, duration: float | None = None) -> list[str]:
    """Return the words that go on with a campaign."""
    words = shlex.split(resume_words(argparse.Namespace(executions=executions, duration=duration), where, settings))
    assert ["zapstress", "campaign", "--dir", str(where)] == words[:4]
    return words[4:]


def test_words_of_names_alone_leave_to_the_directory_what_it_remembers(tmp_path: Path) -> None:
    assert ["--executions", "3"] == words_of(Settings(1, ("counters",), ("toy",)), tmp_path)
    assert ["--duration", "90s"] == words_of(Settings(1, ("counters",), ("toy",)), tmp_path, None, 90.0)


def test_words_name_every_file_of_code(tmp_path: Path) -> None:
    settings = Settings(1, ("a b.py", "counters"), ("toy",), patch=("p.py:P",), versus=("q.py:Q", "my r.py"))
    expected = "--executions 3 --scenario 'a b.py' counters --versus q.py:Q --versus 'my r.py' --patch p.py:P"
    assert shlex.split(expected) == words_of(settings, tmp_path)


@pytest.mark.parametrize("own", [False, True])
def test_a_campaign_goes_on_with_its_words(tmp_path: Path, own: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the words that name files it would be refused, as the directory may be a stranger's."""
    scenario = file(tmp_path / "my twice.py") if own else "counters"
    patch, other = written(tmp_path / "p.py", UNLOCKED), written(tmp_path / "q.py", ATOMIC)
    where, short = tmp_path / "dir", ["--executions", "3", "--workers", "1"]
    begin = ["--scenario", scenario, "--machine", "lockstep", "--patch", patch, "--versus", other, *short]
    assert main(["campaign", *begin, "--dir", str(where)], TOYS) in (0, 1)
    assert 2 == main(["campaign", *short, "--dir", str(where)], TOYS)
    capsys.readouterr()
    settings = Settings(1, (scenario,), ("toy",), patch=(patch,), versus=(other,))
    words = words_of(settings, where)
    assert main(["campaign", "--dir", str(where), *words, "--workers", "1"], TOYS) in (0, 1)
    told = capsys.readouterr()
    assert "all 2 runs: 6 executions" in told.out and not told.err.count("zapstress: ")
