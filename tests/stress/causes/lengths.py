"""Prints how small each planted fault's failure becomes: run ``python -m
tests.stress.causes.lengths [FAULT ...]`` from the root; ``--seconds N`` is the processor time for
each.

The failure is the first that the search of tests/scenarios/test_faults.py finds. The last line has
the median.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from stress.catalogue import CATALOGUE
from stress.machine.driver import run_plain
from stress.workers.causes.attempts import Deadline, kernel_of
from stress.workers.causes.shrink import SECONDS, Shrinking
from tests.scenarios.test_faults import WHERE
from tests.stress.causes.failures import first_failure


def main() -> None:
    """Shrink the failure of each fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", nargs="*", default=list(WHERE))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args()
    lengths = []
    print("fault  actors  switches  steps  scenario")
    for fault in args.faults:
        trace = run_plain(first_failure(fault))
        library = kernel_of(trace.case, CATALOGUE, build=True)
        found = run_plain(Shrinking(trace, Deadline(args.seconds, time.process_time), library).run())
        lengths.append(found.after.steps)
        changes = [f"{one} -> {other}" for one, other in zip(found.before, found.after, strict=True)]
        case = found.trace.case
        print(f"{fault}  {'  '.join(changes)}  {case.scenario} {dict(case.params)}", flush=True)
    print(f"median {median(lengths)} steps")


if __name__ == "__main__":
    main()
