"""Patches of users, damaged: as bytes, and as the words of a language, so that many still run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stress.sources import ROOT
from tests.robustness.damage import damaged
from tests.robustness.subject import DOCUMENTED, FAILED, SKIPPED, Seen, run

GOOD = (
    ("put_tests_before_dropping", "munmap_vs_writeback", "x86-64"), ("arm64_no_dsb", "munmap_vs_access", "arm64-4k"),
    ("dontneed_unlocks_early", "dontneed_vs_fault", "x86-64"), ("fork_clears_first_exclusive", "fork_vs_fault", "x86-64"),
)  # fmt: skip
"""Patches that are damaged, each with a scenario and a profile that reach it."""

DAMAGED_AS_BYTES_EVERY = 4

WORD = re.compile(r"\w+|[^\w\s]")


def mangled(text: str, random: Random) -> str:
    """Return a text of which one or two words are gone, twice there, or others of the same text."""
    for _ in range(random.choice((1, 1, 2))):
        words = list(WORD.finditer(text))
        found, other = random.choice(words), random.choice(words)
        into = random.choice(("", f"{found[0]} {found[0]}", other[0], other[0], str(1 << random.randrange(70))))
        text = text[: found.start()] + into + text[found.end() :]
    return text


class Patches:
    """Damaged patches."""

    allowed = DOCUMENTED - {FAILED, SKIPPED}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known = {name: (ROOT / "scenarios" / "patches" / f"{name}.py").read_text() for name, *_ in GOOD}

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what a command that runs one did with it."""
        name, scenario, profile = random.choice(GOOD)
        file, text = self.folder / "mutant.py", self.known[name]
        if number % DAMAGED_AS_BYTES_EVERY:
            file.write_text(mangled(text, random))
        else:
            file.write_bytes(damaged(text.encode(), random, [other.encode() for other in self.known.values()]))
        where = ("--profile", profile)
        commands = (
            ("run", scenario, *where, "--patch", str(file)), ("check", str(file), "--scenario", scenario, *where),
        )  # fmt: skip
        yield run(random.choice(commands), cwd=self.folder)
