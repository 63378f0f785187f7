"""The worked examples of docs/writing-a-patch.md, docs/findings.md and docs/reading-a-failure.md:
their files, their commands, what these print.

``python -m tests.worked_examples`` writes the output of the commands into the pages anew, after a
change that is meant to change it. A command that is to show a failure gets the first seed that
does.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path

from stress.cli.main import main
from stress.errors import VIOLATED

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "writing-a-patch.md"
PAGES = (PAGE, DOCS / "findings.md", DOCS / "reading-a-failure.md")
FILE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"```console\n\$ zapstress ((?:[^\n]*\\\n)*[^\n]*)\n(.*?)```", re.DOTALL)
"""A command, which a backslash carries on to the next line, and what it prints."""
SAVED = re.compile(r"--save (\S+)")
SEED = re.compile(r"--seed (\d+)")
SEEDS_MAX = 1000


def printed(words: str) -> tuple[int, str]:
    """Run a command here; return its exit status and what it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = main(shlex.split(words.replace("\\\n", " ")))
    return status, output.getvalue()


def saving(words: str, others: Iterable[str]) -> list[str]:
    """Return those of ``others`` that save a file which the command ``words`` reads."""
    return [other for other in others if (name := SAVED.search(other)) and other != words and name[1] in words.split()]


def write_files(folder: Path) -> None:
    """Write the files of the examples into ``folder``."""
    for name, text in FILE.findall(PAGE.read_text()):
        (folder / name).write_text(text)


def failing(words: str) -> str:
    """Return a command with the first seed with which it ends with a violation."""
    for seed in range(SEEDS_MAX):
        found = SEED.sub(f"--seed {seed}", words)
        if printed(found)[0] == VIOLATED:
            return found
    raise AssertionError(f"no violation in {SEEDS_MAX} executions of: {words}")


def written_anew(block: re.Match[str]) -> str:
    """Return a command's block with what the command prints now."""
    words = failing(block[1]) if SEED.search(block[1]) else block[1]
    return f"```console\n$ zapstress {words}\n{printed(words)[1]}```"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        write_files(Path(place))
        os.chdir(place)
        for page in PAGES:
            page.write_text(COMMAND.sub(written_anew, page.read_text()))
