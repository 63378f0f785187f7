"""The documents name only what exists: links, commands, options, tables, fields."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from stress.campaign.database import TABLES as SCHEMA
from stress.campaign.database import VERSION
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.cli.parsers import COMMANDS, declare
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, SKIPPED, USAGE, VIOLATED
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.machine.driver import run_plain
from stress.patch.typed import Typed
from stress.trace.file import VERSION as TRACE_VERSION
from stress.trace.record import capture
from stress.trace.replay import Replayed
from stress.trace.report import page

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("scenarios/NAME.py", "scenarios/faults/m05_short_name.py")
"""Paths of files that a reader might add."""

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(document: Path) -> None:
    """Every ``zapstress COMMAND --option`` in a code span or block."""
    for command, rest in re.findall(r"zapstress ([a-z]+)([^`|\n]*)", document.read_text()):
        if command not in COMMANDS:
            continue
        parser = argparse.ArgumentParser()
        declare(parser, command)
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in parser._option_string_actions, f"{document.name}: zapstress {command} has no {option}"


def test_files_that_documents_name_exist() -> None:
    """Paths of the tree in code spans, but for EXAMPLES."""
    missing = [
        f"{document.name}: {path}"
        for document in DOCUMENTS
        for path in re.findall(r"`((?:sim|stress|scenarios|tests|docs)/[\w/.-]*)`", document.read_text())
        if path not in EXAMPLES and not (ROOT / path).exists()
    ]
    assert not missing


def test_every_table_of_the_database_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/file-formats.md").read_text(), re.MULTILINE))
    assert set(re.findall(r"CREATE TABLE (\w+)", SCHEMA)) <= documented


def test_the_versions_of_formats_are_documented() -> None:
    assert (
        f"traces ({TRACE_VERSION}) and campaign directories ({VERSION})" in (ROOT / "docs/file-formats.md").read_text()
    )


def test_every_exit_status_is_documented() -> None:
    documented = re.findall(r"^\| (\d+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert [CLEAN, VIOLATED, USAGE, FAILED, SKIPPED, INCONCLUSIVE, INTERRUPTED] == [
        int(number) for number in documented
    ]


def test_the_readme_has_the_two_commands_and_ci_runs_the_second() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.search(r"<!-- campaign -->\n```\n.*zapstress campaign.*\n```", text)
    script = re.search(r"command=\$\((.*)\)", (ROOT / ".ci/run").read_text())
    assert script is not None
    shown = subprocess.run(
        ["bash", "-c", script[1]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert shown.splitlines() == [shown] and "pytest" in shown and shown in text


async def page_of(case: Case, strategy: str, seed: int, path: str) -> str:
    """Execute ``case`` once and return the page that shows it, as of the trace in ``path``."""
    async with open_runner(case, "plain", record=True) as runner:
        outcome = runner.run(CATALOGUE.strategy(strategy), seed, RandomData(seed))
        return page(Replayed(capture(outcome, strategy), outcome, -1, {}), Typed(path))


def test_the_readme_shows_a_failure_as_it_is_printed() -> None:
    """The case, the strategy and the seed are read from the page; only where the trace lies may be
    any path.
    """
    found = re.search(r"```\n(BUG: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    shown = found[1].splitlines()
    facts = dict(re.findall(r"(\w+) (\S+)", shown[1]))
    params = dict(re.findall(r"(\w+) ([\w, -]+?)(?=   |$)", shown[2]))
    faults = tuple(params.pop("faults", "").split(", "))
    run = re.match(r"  seed (\w+), strategy (\w+);", shown[3])
    assert run is not None and shown[-1].startswith(
        f"  replay  zapstress replay results/failures/{facts['signature']}/"
    )
    case = Case(
        facts["scenario"],
        tuple(sorted((name, int(value)) for name, value in params.items())),
        facts["profile"],
        "small",
        facts["kernel"],
        faults,
    )
    printed = run_plain(page_of(case, run[2], int(run[1], 16), "TRACE")).splitlines()
    assert printed[:-1] == shown[:-1]


def test_tox_has_an_environment_for_every_profile() -> None:

    text = (ROOT / "tox.ini").read_text()
    found = re.search(r"^envlist = .*\{(.*)\}", text, re.MULTILINE)
    assert found is not None
    assert set(CATALOGUE.profiles()) == set(found[1].split(","))


def test_the_invariants_are_documented() -> None:
    """docs/invariants.md has a row for each checker, word for word, and no others."""
    rows = re.findall(r"^\| (\S+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/invariants.md").read_text(), re.MULTILINE)
    told = {name: f"{title}: {rule}" for name, title, rule in rows if name not in ("id", "---")}
    assert CATALOGUE.checkers() == told


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_rows_of_a_table_have_its_columns(document: Path) -> None:
    """A row that a merge has put into another table has more cells than its head, or fewer."""
    width = 0
    for line in document.read_text().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) if line.startswith("|") else 0
        assert not width or cells in (0, width), line
        width = cells
