"""Runs a campaign with both machines for a while, and says what its growth gives in a week.

``python -m tests.robustness.endurance --minutes 60`` samples the memory of every process and the
size of the directory, prints the slope of each over the second half of the time, and ends with 1 if
a week of it would be more than a process or a directory may have.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from stress.campaign.directory import bytes_of
from stress.sources import ROOT
from tests.robustness.kills import descendants, role

PROCESS_MIB_MAX, DIRECTORY_MIB_MAX = 300, 500
"""What a week may bring a process, and the directory, to."""

SAMPLE_SECONDS, WEEK_MINUTES = 5.0, 7 * 24 * 60

Samples = dict[str, list[tuple[float, float]]]
"""By process, and of the directory: (minutes, MiB)."""


def memory(pid: int) -> float:
    """Return what a process has of its own and its share of the rest, in MiB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def watch(process: subprocess.Popen[bytes], directory: Path, minutes: float) -> Samples:
    """Sample until the campaign ends."""
    samples: Samples = defaultdict(list)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 60 * minutes + 60:
        now = (time.monotonic() - began) / 60
        samples["supervisor"].append((now, memory(process.pid)))
        for pid in descendants(process.pid):
            samples[f"{role(pid)} {pid}"].append((now, memory(pid)))
        samples["directory"].append((now, bytes_of(directory) / (1 << 20) if directory.exists() else 0.0))
        time.sleep(SAMPLE_SECONDS)
    return samples


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the least squares slope of the second half of the samples, in MiB a minute."""
    late = [(x, y) for x, y in samples[len(samples) // 2 :] if y]
    if len(late) < 2:
        return 0.0
    middle_x, middle_y = (sum(values) / len(late) for values in zip(*late, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in late)
    return sum((x - middle_x) * (y - middle_y) for x, y in late) / spread if spread else 0.0


def report(samples: Samples) -> int:
    """Print what each has, how it grows, and what that gives in a week; return how many are too
    large then.
    """
    too_large = 0
    print(f"{'':<24}{'begins':>10}{'ends':>10}{'a minute':>12}{'in a week':>12}   MiB")
    for name, taken in samples.items():
        there = [value for _, value in taken if value]
        if len(there) < 4:
            continue
        rate = slope(taken)
        week = there[-1] + max(0.0, rate) * WEEK_MINUTES
        most = DIRECTORY_MIB_MAX if name == "directory" else PROCESS_MIB_MAX
        too_large += week > most
        mark = f"   more than {most}" if week > most else ""
        print(f"{name:<24}{there[0]:>10.1f}{there[-1]:>10.1f}{rate:>12.4f}{week:>12.0f}{mark}")
    return too_large


def main() -> int:
    """Run what the command line asks for; return 1 if a week of it would be too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("more", nargs="*", help="further options of the campaign, after --")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zapstress-endurance-"))
    options = [
        "--machine",
        "both",
        "--duration",
        f"{args.minutes}m",
        "--dir",
        str(folder / "dir"),
        "--seed",
        "1",
        *args.more,
    ]
    command = [sys.executable, "-m", "stress", "campaign", *options]
    try:
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            samples = watch(process, folder / "dir", args.minutes)
        too_large = report(samples)
        print(f"{args.minutes:g} minutes; {too_large} too large in a week")
        return bool(too_large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
