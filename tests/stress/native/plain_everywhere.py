"""Plain mode and lockstep do the same work on every profile, version and geometry.
``python -m tests.stress.native.plain_everywhere [--seeds N]``; the first difference ends it with 1.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

from stress.catalogue import CATALOGUE
from tests.stress.native.test_plain import same_work

SEEDS = 20
FIRST = 100
"""The ordinary tests have the seeds before it."""


def main() -> int:
    """Compare everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.native.plain_everywhere")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="programs of each cell (default: %(default)s)")
    seeds = parser.parse_args().seeds
    for profile, version, geometry in product(CATALOGUE.profiles(), CATALOGUE.kernels(), ("small", "real")):
        try:
            for seed in range(FIRST, FIRST + seeds):
                same_work(profile, version, geometry, seed)
        except AssertionError as difference:
            print(f"{profile} {version} {geometry}, seed {seed}: {difference}")
            return 1
        print(f"{profile} {version} {geometry}: {seeds} programs, the same work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
