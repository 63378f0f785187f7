"""Every scenario, profile, version and geometry, and every fault, natively and in Python, word for
word. ``python -m tests.stress.native.everything [--seeds N] [--profile NAME ...]``; exit status 1
if anything differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.fault import silent_on
from stress.machine.driver import run_plain
from stress.native.kernels import KernelKey, library
from tests.stress.native.compiled import cases, first_difference

STRATEGIES = ("random", "pct")
SEEDS = 300
REAL_SHARE, FAULT_SHARE = 20, 10
"""Of the real geometry and of faulty kernels, one seed in so many."""


def kernels(profiles: list[str]) -> Iterator[KernelKey]:
    """Yield every kernel: each version clean, and 6.9 with each fault that can show there."""
    for profile in profiles:
        yield from (KernelKey(profile, version) for version in CATALOGUE.kernels())
        for name in CATALOGUE.faults():
            if not silent_on(CATALOGUE.fault_class(name), profile, "6.9"):
                yield KernelKey(profile, faults=(name,))


def work(key: KernelKey, seeds: int) -> Iterator[tuple[Case, int]]:
    """Yield the cases of a kernel, each with how many seeds it gets."""
    for scenario in CATALOGUE.scenarios():
        small = cases(scenario, key.profile, key.kernel, faults=key.faults)
        yield from ((case, max(1, seeds // (FAULT_SHARE if key.faults else 1) // len(small))) for case in small)
        if not key.faults:
            real = cases(scenario, key.profile, key.kernel, "real")
            yield from ((case, max(1, seeds // REAL_SHARE // len(real))) for case in real[:2])


def compare(key: KernelKey, seeds: int) -> list[str]:
    """Return what differs on one kernel, in words."""
    found = library(key, list(CATALOGUE.scenarios()), CATALOGUE)
    problems = [f"{key}: {name} is not translated: {why}" for name, why in found.manifest.left_out.items()]
    executions = 0
    for case, count in work(key, seeds):
        for strategy in STRATEGIES:
            words = run_plain(first_difference(found, case, strategy, range(count)))
            executions += count
            problems += [words] if words else []
    print(f"{key.profile} {key.kernel} {' '.join(key.faults)}: {executions} executions, {len(problems)} problems")
    return problems


def main() -> int:
    """Compare everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.native.everything")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each scenario, over its parameter sets")
    parser.add_argument("--profile", nargs="+", default=list(CATALOGUE.profiles()))
    args = parser.parse_args()
    problems = [words for key in kernels(args.profile) for words in compare(key, args.seeds)]
    print("\n".join(problems) or "everything is equal")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
