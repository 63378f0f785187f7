"""Certificates of proofs, damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.robustness.damage import damaged, poisoned
from tests.robustness.subject import DOCUMENTED, SKIPPED, Seen, run

PROVE: tuple[str, ...] = ("prove", "--scenario", "munmap_vs_access", "--profile", "x86-64", "--workers", "1", "--dir")
"""Proves a small case; the directory is added."""

DAMAGED_AS_BYTES_EVERY = 4


def good(folder: Path) -> Path:
    """Return the certificate of a proof, made in ``folder``."""
    for _ in range(2):  # the kernel may take the first one's time to compile
        seen = run((*PROVE, str(folder), "--minutes", "2"))
        if found := list(folder.glob("*.json")):
            return found[0]
    raise AssertionError(seen)


class Certificates:
    """Damaged certificates: one that is none proves nothing, and is replaced by one that is."""

    allowed = DOCUMENTED - {SKIPPED}

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, good(folder)
        self.known = self.file.read_bytes()

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage it; yield what prove did with it."""
        if number % DAMAGED_AS_BYTES_EVERY:
            made = json.dumps(poisoned(json.loads(self.known), random)).encode()
        else:
            made = damaged(self.known, random, [self.known])
        self.file.write_bytes(made)
        (self.folder / "mutant.json").write_bytes(made)
        yield run((*PROVE, str(self.folder), *random.choice(((), ("--check",), ("--json",)))), cwd=self.folder)
