"""Folders of failures, damaged: the trace, its smallest form, and why it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stress.campaign.directory import TRACE
from stress.trace.explanation import EXPLANATION, SHRUNK, Belief, Explanation, Moment, Ordering
from tests.robustness.damage import damaged, no_plain_file, poisoned
from tests.robustness.subject import DOCUMENTED, SKIPPED, VIOLATED, Seen, run
from tests.robustness.traces import GOOD, damaged_within

QUICKLY = ("--seconds", "1", "--no-native")

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show",), ("show", "--json"), ("replay",), ("explain", *QUICKLY), ("explain", "--as-it-is", *QUICKLY),
    ("shrink", *QUICKLY), ("report",), ("report", "--format", "svg"),
)  # fmt: skip
"""What reads the folder of a failure; its name is added."""


def why() -> Explanation:
    """Return why a failure came about, with one of everything."""
    before, after = (Moment(step, f"cpu{step} zap", "zap_pte_range", "clear pte", "pte[3] 5 -> 0") for step in (1, 2))
    ordering = Ordering(before, after, "clean", ((0, 1), (1, 1)))
    belief = Belief("cpu1 zap", "pte[3]", "5", 1, "0", 2, "cpu0 zap")
    return Explanation("One comes before the other.", (ordering,), (0.25, 0.5, 1.0), 16, (belief,))


def good(folder: Path) -> Path:
    """Return the folder of a failure with its smallest form, which is as it was found, and why it
    fails.
    """
    found = folder / "good-failure"
    found.mkdir()
    seen = run(("run", *GOOD[0], "--save", str(found / TRACE)))
    assert seen.status == VIOLATED, seen
    shutil.copy(found / TRACE, found / SHRUNK)
    (found / EXPLANATION).write_text(json.dumps(why().plain()))
    return found


def explanation(path: Path, random: Random) -> None:
    """Damage why it fails as plain data."""
    file = path / EXPLANATION
    file.write_text(json.dumps(poisoned(json.loads(file.read_text()), random)))


def a_trace(path: Path, random: Random) -> None:
    """Damage a trace below a right checksum, or put one in the place of the other."""
    file, other = random.sample((path / TRACE, path / SHRUNK), 2)
    if random.randrange(4):
        file.write_bytes(damaged_within(file.read_bytes(), random, [other.read_bytes()]))
    else:
        shutil.copy(other, file)


def some_bytes(path: Path, random: Random) -> None:
    file = path / random.choice((TRACE, SHRUNK, EXPLANATION))
    file.write_bytes(damaged(file.read_bytes(), random, [file.read_bytes()]))


def kind_of_a_file(path: Path, random: Random) -> None:
    """Take a file away, or put something that is no plain file in its place."""
    file = path / random.choice((TRACE, SHRUNK, EXPLANATION))
    file.unlink()
    no_plain_file(file, random)


DAMAGE = (explanation, explanation, explanation, a_trace, some_bytes, kind_of_a_file)


class Failures:
    """Damaged folders of failures."""

    allowed = DOCUMENTED - {SKIPPED}

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, good(folder)

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what commands that read one did with it."""
        path = self.folder / f"mutant{number}"
        shutil.copytree(self.base, path)
        random.choice(DAMAGE)(path, random)
        for name, *options in random.sample(COMMANDS, 2):
            yield run((name, str(path), *options), cwd=self.folder)
        shutil.rmtree(path)
