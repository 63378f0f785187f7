"""Programs of conformance runs, damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stress.conform.draw import from_seed
from tests.robustness.damage import damaged, poisoned
from tests.robustness.subject import DOCUMENTED, FAILED, Seen, run

ALLOWED = DOCUMENTED - {FAILED}
PROGRAMS = 16


def mutants(count: int, random: Random, folder: Path) -> Iterator[Seen]:
    """Damage good programs ``count`` times; yield what the tool did with each."""
    known = [from_seed(random.randrange(1 << 30)).dumps().encode() for _ in range(PROGRAMS)]
    file = folder / "mutant.json"
    for turn in range(count):
        base = random.choice(known)
        if turn % 4:
            file.write_text(json.dumps(poisoned(json.loads(base), random)))
        else:
            file.write_bytes(damaged(base, random, known))
        yield run(("conform", "--program", str(file), "--dir", str(folder / "kept")), cwd=folder)
