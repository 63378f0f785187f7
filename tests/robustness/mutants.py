"""Damages whatever the tool reads, and sees what it does with each.

``python -m tests.robustness.mutants --traces 5000 --programs 1000 --directories 200 --seed 1`` ends
with 0 if nothing was found; else each finding is printed, and the file that shows it is kept. Each
input is drawn from the seed and its number alone: ``--traces 1 --first 578 --seed 4`` is one again.
``--help`` has the other kinds.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Protocol

from tests.robustness import certificates, directories, failures, patches, programs, recipes, traces
from tests.robustness.subject import Seen

SHOWN_EVERY = 500


class Mutants(Protocol):
    """Good inputs of a kind, and what damages them. ``allowed`` are the statuses that may come."""

    allowed: set[int]

    def __init__(self, folder: Path) -> None:
        """Make the good inputs in ``folder``."""

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one as ``random`` says; yield what the tool did with it, once for each command."""


KINDS: dict[str, type[Mutants]] = {
    "traces": traces.Traces,
    "programs": programs.Programs,
    "directories": directories.Directories,
    "failures": failures.Failures,
    "certificates": certificates.Certificates,
    "recipes": recipes.Recipes,
    "patches": patches.Patches,
}


def findings(kind: str, numbers: range, seed: int, folder: Path) -> Iterator[tuple[int, Seen, list[str]]]:
    """Yield each run of the damaged inputs that have ``numbers``, with what was wrong about it; a
    file that shows something is kept in ``folder``.
    """
    work = folder / kind
    work.mkdir(parents=True)
    mutants = KINDS[kind](work)
    for number in numbers:
        for seen in mutants.tried(number, Random(f"{seed} {kind} {number}")):
            wrong = seen.faults(mutants.allowed)
            if wrong:
                for file in work.glob("mutant*.*"):
                    shutil.copy(file, folder / f"{kind}-{number}{file.suffix}")
            yield number, seen, wrong


def main() -> int:
    """Run what the command line asks for; return 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.mutants", description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"damaged {kind} (default: 0)")
    parser.add_argument("--seed", type=int, default=1, help="what damage is drawn from (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of each kind (default: 0)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where files that show something are kept")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="zapstress-mutants-"))
    found = 0
    for kind in KINDS:
        if count := getattr(args, kind):
            found += _hunt(kind, range(args.first, args.first + count), args.seed, folder)
    print(f"{found} findings" + (f"; files in {folder}" if found else ""))
    if not found and args.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    return bool(found)


def _hunt(kind: str, numbers: range, seed: int, folder: Path) -> int:
    found, statuses, worst = 0, Counter[int](), [0.0, 0.0]
    for number, seen, wrong in findings(kind, numbers, seed, folder):
        statuses[seen.status] += 1
        worst = [max(pair) for pair in zip(worst, (seen.mib, seen.cpu_s), strict=True)]
        if wrong:
            found += 1
            print(f"{kind} {number}: {', '.join(wrong)}: {' '.join(seen.words)!r}", flush=True)
            print(f"    {seen.err[-400:]!r}", flush=True)
        if not sum(statuses.values()) % SHOWN_EVERY:
            print(f"{kind}: {number}", file=sys.stderr, flush=True)
    ended = ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()))
    most = f"at most {worst[0]:.0f} MiB and {worst[1]:.2f} s"
    print(f"{len(numbers)} {kind} of seed {seed}, {sum(statuses.values())} runs; ended with {ended}; {most}")
    return found


if __name__ == "__main__":
    sys.exit(main())
