"""The worked examples of docs/writing-a-patch.md, docs/findings.md and docs/reading-a-failure.md
run as they are printed, to the letter.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stress.errors import VIOLATED
from tests.worked_examples import COMMAND, FILE, PAGE, PAGES, printed, saving, write_files

COMMANDS = [command for page in PAGES for command in COMMAND.findall(page.read_text())]


@pytest.mark.parametrize(
    ("words", "output"), COMMANDS, ids=[words.split()[0] + str(at) for at, (words, _) in enumerate(COMMANDS)]
)
def test_a_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, output: str
) -> None:
    """Each finds a violation, in the folder that holds the page's files."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for before in saving(words, [words for words, _ in COMMANDS]):
        printed(before)
    assert (VIOLATED, output) == printed(words)


def test_there_are_three_examples() -> None:
    """Each has its diff, its class, its command and its failure."""
    text = PAGE.read_text()
    assert 3 == len(FILE.findall(text)) == len(re.findall("```diff\n", text))
    for name, _ in FILE.findall(text):
        assert any(f"--patch {name}" in words and output.startswith("BUG: ") for words, output in COMMANDS)
