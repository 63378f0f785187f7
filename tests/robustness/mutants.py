"""Damages traces, programs and results directories, and sees what the tool does with each.

``python -m tests.robustness.mutants --traces 5000 --programs 1000 --directories 200 --seed 1`` ends
with 0 if nothing was found; else each finding is printed, and the input that shows it is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from tests.robustness import directories, programs, traces
from tests.robustness.subject import Seen

SHOWN_EVERY = 500

Mutants = Callable[[int, Random, Path], Iterator[Seen]]

KINDS: dict[str, tuple[Mutants, set[int]]] = {
    "traces": (traces.mutants, traces.ALLOWED),
    "programs": (programs.mutants, programs.ALLOWED),
    "directories": (directories.mutants, directories.ALLOWED),
}


def findings(kind: str, count: int, seed: int, folder: Path) -> Iterator[tuple[Seen, list[str]]]:
    """Yield each run of ``count`` damaged inputs, with what was wrong about it; an input that shows
    something is kept in ``folder``.
    """
    mutants, allowed = KINDS[kind]
    work = folder / kind
    work.mkdir(parents=True)
    for number, seen in enumerate(mutants(count, Random(f"{seed} {kind}"), work)):
        wrong = seen.faults(allowed)
        if wrong and kind != "directories":
            mutant = next(work.glob("mutant*"))
            shutil.copy(mutant, folder / f"{kind}-{number}{mutant.suffix}")
        yield seen, wrong


def main() -> int:
    """Run what the command line asks for; return 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.mutants", description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"damaged {kind} (default: 0)")
    parser.add_argument("--seed", type=int, default=1, help="what damage is drawn from (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where inputs that show something are kept")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="zapstress-mutants-"))
    found = sum(_hunt(kind, getattr(args, kind), args.seed, folder) for kind in KINDS if getattr(args, kind))
    print(f"{found} findings" + (f"; inputs in {folder}" if found else ""))
    if not found and args.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    return bool(found)


def _hunt(kind: str, count: int, seed: int, folder: Path) -> int:
    found, statuses, worst = 0, Counter[int](), [0.0, 0.0]
    for number, (seen, wrong) in enumerate(findings(kind, count, seed, folder), start=1):
        statuses[seen.status] += 1
        worst = [max(pair) for pair in zip(worst, (seen.mib, seen.cpu_s), strict=True)]
        if wrong:
            found += 1
            print(f"{kind} {number}: {', '.join(wrong)}: {' '.join(seen.words)!r}", flush=True)
            print(f"    {seen.err[-400:]!r}", flush=True)
        if not number % SHOWN_EVERY:
            print(f"{kind}: {number}", file=sys.stderr, flush=True)
    ended = ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()))
    most = f"at most {worst[0]:.0f} MiB and {worst[1]:.2f} s"
    print(f"{kind}: {sum(statuses.values())} runs of seed {seed}; ended with {ended}; {most}")
    return found


if __name__ == "__main__":
    sys.exit(main())
