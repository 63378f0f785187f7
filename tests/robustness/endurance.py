"""Runs a campaign with both machines for a while, and says what its growth gives in a week.

``python -m tests.robustness.endurance --minutes 60`` samples the memory of every process and the
size of the directory. Two things grow: what is kept of each case, which ends when every case has
been opened or proved, and what would go on for ever. So the campaign has a part of the scenarios,
the largest world's among them, and is through with all of its cases long before the end. The slope
is that of the last third of the time, or of less if a case was opened later; to what it gives in a
week is added what the cases of all scenarios would take besides. It ends with 1 if a process or the
directory would become larger than it may, and with 5 if cases were opened to the end.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sim.core.profile import REAL, SMALL
from stress.campaign.directory import bytes_of
from stress.campaign.results import Results
from stress.catalogue import CATALOGUE
from stress.errors import CLEAN, INCONCLUSIVE, VIOLATED, UsageError
from stress.sources import ROOT
from stress.workers.settings import Settings
from tests.robustness.kills import descendants, role

SCENARIOS = ("empty_tables", "fork_vs_writeback", "munmap_vs_access")
"""Those of the campaign, unless others are asked for: the largest world, two address spaces with
the page cache, and the smallest race.
"""

PROCESS_MIB_MAX, DIRECTORY_MIB_MAX = 300, 500
"""What a week may bring a process, and the directory, to."""

SAMPLE_SECONDS, WEEK_MINUTES = 5.0, 7 * 24 * 60

LAST = 1 / 3
"""The part of the time that the slope is of."""

SAMPLES_MIN = 24
"""Samples that a slope is made of at least: those of two minutes."""

Points = list[tuple[float, float]]
"""(minutes, MiB)."""


@dataclass
class Samples:
    """What was seen of a campaign."""

    sizes: dict[str, Points] = field(default_factory=lambda: defaultdict(list))
    """By process, and of the directory."""
    opened: Points = field(default_factory=list)
    """Cases that were opened or proved by then."""
    known: int = 0
    """Cases of the campaign."""

    @property
    def steady(self) -> float:
        """The minute from which on the slope is taken: no case was opened after it."""
        last = self.opened[-1]
        full = next(minute for minute, opened in self.opened if opened == last[1])
        return max(full, (1 - LAST) * last[0])


def memory(pid: int) -> float:
    """Return the anonymous and the shared memory of a process, in MiB; 0 if it is gone.

    What forked processes share is counted whole in each: their shares of it would grow and shrink
    with what the others do. The pages of libraries are not counted.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) / 1024


def watch(process: subprocess.Popen[bytes], directory: Path, minutes: float) -> Samples:
    """Sample until the campaign ends."""
    samples, began = Samples(), time.monotonic()
    while process.poll() is None and time.monotonic() - began < 60 * minutes + 60:
        now = (time.monotonic() - began) / 60
        samples.sizes["supervisor"].append((now, memory(process.pid)))
        for pid in descendants(process.pid):
            samples.sizes[f"{role(pid)} {pid}"].append((now, memory(pid)))
        samples.sizes["directory"].append((now, bytes_of(directory) / (1 << 20) if directory.exists() else 0.0))
        with suppress(UsageError), Results.open(directory) as results:
            cases = results.cases()
            samples.known = cases["known"]
            samples.opened.append((now, cases["known"] - cases["never_opened"]))
        time.sleep(SAMPLE_SECONDS)
    return samples


def slope(points: Points) -> float:
    """Return the least squares slope of points, in MiB a minute; 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def kept_for_cases(points: Points, samples: Samples, every: int) -> float:
    """Return how many MiB more the cases that this campaign does not have would take, of ``every``
    one: they grow a size as those did that were opened after the first quarter of them.
    """
    then = next(point for point in samples.opened if point[1] >= samples.opened[-1][1] / 4)
    more = samples.opened[-1][1] - then[1]
    grown = points[-1][1] - next(size for minute, size in points if minute >= then[0])
    return max(0.0, grown) / more * (every - samples.known) if more else 0.0


def report(samples: Samples, every: int) -> int:
    """Print what each has, how it grows, and what that gives in a week in a campaign of ``every``
    case; return the status that it stands for.
    """
    from_here, too_large = samples.steady, 0
    opened, minutes = samples.opened[-1][1], samples.opened[-1][0]
    print(f"{opened} of {samples.known} cases opened or proved; slopes from minute {from_here:.1f} to {minutes:.1f}")
    print(f"{'':<24}{'begins':>10}{'ends':>10}{'most':>10}{'a minute':>12}{'in a week':>12}   MiB")
    conclusive = opened == samples.known
    for name, points in samples.sizes.items():
        there = [(minute, size) for minute, size in points if size]
        late = [point for point in there if point[0] >= from_here]
        conclusive &= len(late) >= SAMPLES_MIN or not late
        if not late:
            continue
        most = DIRECTORY_MIB_MAX if name == "directory" else PROCESS_MIB_MAX
        rate, largest = slope(late), max(size for _, size in there)
        grows = name in ("directory", "supervisor")
        week = late[-1][1] + max(0.0, rate) * WEEK_MINUTES + (kept_for_cases(there, samples, every) if grows else 0.0)
        too_large += max(week, largest) > most
        mark = f"   more than {most}" if max(week, largest) > most else ""
        print(f"{name:<24}{there[0][1]:>10.1f}{there[-1][1]:>10.1f}{largest:>10.1f}{rate:>12.4f}{week:>12.0f}{mark}")
    print(f"{too_large} too large in a week")
    return VIOLATED if too_large else CLEAN if conclusive else INCONCLUSIVE


def every_case() -> int:
    """Return how many cases a campaign of all scenarios on all profiles has."""
    settings = Settings(0, tuple(CATALOGUE.scenarios()), tuple(CATALOGUE.profiles()))
    return sum(len(cases) for geometry in (SMALL, REAL) for cases in settings.ranks(geometry, CATALOGUE))


def main() -> int:
    """Run what the command line asks for; return 1 if a week of it would be too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("more", nargs="*", help="further options of the campaign, after --")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zapstress-endurance-"))
    which = [] if "--scenario" in args.more else ["--scenario", *SCENARIOS]
    bounds = ["--duration", f"{args.minutes}m", "--dir", str(folder / "dir")]
    command = [
        sys.executable,
        "-m",
        "stress",
        "campaign",
        "--machine",
        "both",
        "--seed",
        "1",
        *bounds,
        *which,
        *args.more,
    ]
    try:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            samples = watch(process, folder / "dir", args.minutes)
        return report(samples, every_case())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
