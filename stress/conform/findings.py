"""What a rig finds in the programs of some seeds: differences, each run again, shrunk and
listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stress.conform.comparison import ComparedCounts, Found, Rig
from stress.conform.draw import from_seed
from stress.conform.linux.folio_sizes import Sizes
from stress.conform.listing import listing
from stress.conform.shrink import shrink
from stress.programs.program import Program

SHRINK_SECONDS_MAX = 60.0
"""Time for shrinking one program."""

RUNS = 3
"""How often a program that differs is run again, as it is."""


@dataclass(frozen=True)
class Finding:
    """A difference, as it is kept."""

    signature: str
    seed: int
    program: str
    """Text of the program's file, shrunk."""
    listing: str
    differences: tuple[str, ...]
    runs: int
    """How often the program was run again, as it was."""
    reproduced: int
    """How often it differed in the same way."""
    smallest: bool
    """Whether no program that is smaller by one step differs so. False if it did not differ each
    time, or if the time for shrinking was up.
    """


@dataclass
class BatchResult:
    """What came of some seeds."""

    executions: int = 0
    counts: ComparedCounts = field(default_factory=ComparedCounts)
    findings: list[Finding] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    """Signatures of further programs that differ."""


def check_seeds(rig: Rig, seeds: range, sizes: Sizes, known: set[str]) -> BatchResult:
    """Check the program of each seed; shrink the first of each signature that is not ``known``
    yet.
    """
    result = BatchResult()
    rig.counts = result.counts
    for seed in seeds:
        found = rig.check(from_seed(seed, sizes))
        result.executions += 1
        if found is None:
            continue
        if found.signature in known:
            result.repeated.append(found.signature)
            continue
        known.add(found.signature)
        result.findings.append(finding(rig, found))
    return result


def finding(rig: Rig, found: Found) -> Finding:
    """Run a program that differs RUNS times again; shrink it if it differs each time."""
    counted, rig.counts = rig.counts, ComparedCounts()
    reproduced = sum(same(rig, found.program, found.signature) is not None for _ in range(RUNS))
    small, done = shrunk(rig, found) if reproduced == RUNS else (found, False)
    rig.counts = counted
    return Finding(
        found.signature,
        found.program.seed,
        small.program.dumps(),
        listing(small.program, small),
        tuple(map(str, small.differences)),
        RUNS,
        reproduced,
        done,
    )


def same(rig: Rig, program: Program, signature: str) -> Found | None:
    """Return where a program differs, if that has the given signature."""
    found = rig.check(program)
    return found if found is not None and found.signature == signature else None


def shrunk(rig: Rig, found: Found) -> tuple[Found, bool]:
    """Return the same difference of a smaller program, and whether it is the smallest."""
    small, done = shrink(
        found.program, lambda program: same(rig, program, found.signature) is not None, SHRINK_SECONDS_MAX
    )
    again = same(rig, small, found.signature)
    return (again, done) if again is not None else (found, False)
