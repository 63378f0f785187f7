"""Programs of conformance runs, damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stress.conform.draw import from_seed
from tests.robustness.damage import damaged, poisoned
from tests.robustness.subject import DOCUMENTED, FAILED, Seen, run

GOOD = 16
"""Programs that are damaged."""

DAMAGED_AS_BYTES_EVERY = 4
"""The others are damaged as plain data, and are JSON still."""


class Programs:
    """Damaged programs."""

    allowed = DOCUMENTED - {FAILED}

    def __init__(self, folder: Path) -> None:
        self.folder, self.known = folder, [from_seed(seed).dumps().encode() for seed in range(GOOD)]

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what conform did with it."""
        base, file = random.choice(self.known), self.folder / "mutant.json"
        if number % DAMAGED_AS_BYTES_EVERY:
            file.write_text(json.dumps(poisoned(json.loads(base), random)))
        else:
            file.write_bytes(damaged(base, random, self.known))
        yield run(("conform", "--program", str(file), "--dir", str(self.folder / "kept")), cwd=self.folder)
