"""Does every finding of the parallel machine replay?

``python -m tests.stress.parallel.replays --campaigns 20 --seconds 20`` runs short campaigns of the
parallel machine, each with the next of the planted faults, then replays what each has saved. It
tells of each finding that is the tool's own (*replay-differs*), of each saved failure that does not
show again, and of each campaign that ended other than clean, inconclusive or with violations; it
ends with 1 if there was one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from stress.catalogue import CATALOGUE
from stress.cli.recheck import SAME
from stress.errors import CLEAN, INCONCLUSIVE, SKIPPED, VIOLATED
from stress.fault import home_of
from stress.sources import ROOT

PARALLEL = "parallel"
"""The checker of a finding that is not the kernel's: recording and replay disagree."""


@dataclass
class Campaign:
    """What one campaign came to."""

    fault: str
    status: int
    executions: int = 0
    found: int = 0
    """Signatures of the kernel's."""
    wrong: list[str] = field(default_factory=list)
    """What must not be."""


def zapstress(*words: str) -> tuple[int, str]:
    """Run the command line; return its status and what it printed."""
    done = subprocess.run([sys.executable, "-m", "stress", *words], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout


def campaign(fault: str, seconds: float, seed: int, directory: Path) -> Campaign:
    """Run one campaign with ``fault``, and replay what it has saved."""
    words = ("--machine", "parallel", "--fault", fault, "--kernel", home_of(CATALOGUE.fault_class(fault)))
    words = (*words, "--duration", f"{seconds}s", "--seed", str(seed))
    status, out = zapstress("campaign", "--json", *words, "--dir", str(directory))
    seen = Campaign(fault, status)
    if status not in (CLEAN, VIOLATED, INCONCLUSIVE):
        seen.wrong.append(f"the campaign ended with {status}")
        return seen
    result = json.loads(out)
    seen.executions = result["executions"]
    for violation in result["violations"]:
        if violation["checker"] == PARALLEL:
            seen.wrong.append(f"{violation['signature']}: {violation['title']}, {violation['count']} times")
        else:
            seen.found += 1
    if seen.found:
        _, out = zapstress("recheck", "--json", str(directory))
        for one in json.loads(out)["failures"]:
            if one["result"] != SAME:
                seen.wrong.append(f"{one['signature']}: {one['result']} when it is replayed {one['why']}")
    return seen


def main() -> int:
    """Run what the command line asks for; return 1 if something did not replay."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.parallel.replays", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--seconds", type=float, default=20, help="of each (default: 20)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    faults, wrong = list(CATALOGUE.faults()), 0
    for number in range(args.campaigns):
        fault = faults[number % len(faults)]
        with tempfile.TemporaryDirectory(prefix="zapstress-replays-") as folder:
            seen = campaign(fault, args.seconds, args.seed + number, Path(folder) / "dir")
        if seen.status == SKIPPED:
            print("skipped: the parallel machine needs numba and two cores")
            return SKIPPED
        wrong += len(seen.wrong)
        print(f"{fault}: {seen.executions} executions, {seen.found} signatures", *seen.wrong, sep="\n  ", flush=True)
    print(f"{args.campaigns} campaigns, {wrong} findings that do not replay")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
