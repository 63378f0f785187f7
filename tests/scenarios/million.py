"""Executions of the clean kernels by the million, natively, of every case there is: every scenario,
parameter set, profile and version. ``python -m tests.scenarios.million [--executions N]``; exit
status 1 if anything is not clean.

A campaign of a minute opens some hundreds of the thousands of cases. Here each is opened once and
has its share of the executions, under each strategy in turn. What the native core gives up is made
again in Python along its tapes. Python judges it: a violation is told, and so is a check that the
native core has failed and Python has not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from time import perf_counter

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.driver import run_plain
from stress.native.comparison import along_tapes
from stress.native.compilers import FAST
from stress.native.kernels import KernelKey, library
from stress.native.runner import BUDGET, Library, NativeCase, Ran
from tests.stress.native.compiled import all_cases

VERSIONS = ("6.9", "6.9-perpage", "6.12", "6.18-flushfirst", "7.3-flushfirst")
"""The versions that are clean: 6.18 and 7.3 as released are not (docs/findings.md)."""

MENDS = {
    "6.18 that flushes before it unhooks": ("scenarios/mends/flushes_before_unhooking.py",),
    "6.18 that unhooks if nothing is owed": ("scenarios/mends/unhooks_nothing_owed.py",),
}
"""6.18 with each of the mends."""

STRATEGIES = ("pct", "pos", "surw", "random")
SEED = 1 << 40
"""Where seeds begin: what campaigns do not execute by default."""


@dataclass
class Found:
    """What came of one profile of a kernel."""

    name: str
    executions: int = 0
    cases: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def kernels(versions: list[str], profiles: list[str]) -> Iterator[tuple[str, KernelKey]]:
    """Yield the clean kernels, each with its name."""
    for version in versions:
        patch = MENDS.get(version, ())
        for profile in profiles:
            yield f"{version} {profile}", KernelKey(profile, "6.18" if patch else version, patch=patch)


def cases_of(key: KernelKey, scenarios: Iterable[str]) -> list[Case]:
    """Return every case of a kernel in these scenarios."""
    found = [case for name in scenarios for case in all_cases(name, key.profile, key.kernel)]
    return [replace(case, faults=key.faults, patch=key.patch) for case in found]


def executed(name: str, key: KernelKey, executions: int, scenarios: Sequence[str], level: str = FAST) -> Found:
    """Execute every case of a kernel in these scenarios, together so many times."""
    began, found, every = perf_counter(), Found(name), cases_of(key, scenarios)
    compiled = library(key, scenarios, CATALOGUE, level)
    each = -(-executions // (len(every) * len(STRATEGIES)))
    for case in every:
        run_plain(execute(compiled, case, each, found))
    found.seconds = perf_counter() - began
    return found


async def execute(compiled: Library, case: Case, each: int, found: Found) -> None:
    """Execute a case so many times under each strategy."""
    found.cases += 1
    async with open_runner(case, "plain") as runner:
        if runner.failed is not None:
            found.problems.append(f"{case}: the setup: {runner.failed.verdict.reason}")
            return
        native = NativeCase(compiled, runner)
        for name in STRATEGIES:
            strategy, done = CATALOGUE.strategy(name), 0
            while done < each:
                ran = native.run(strategy, SEED + done, each - done)
                done += ran.clean
                if ran.why:
                    found.problems += judged(native, ran, SEED + done, name)
                    done += 1
            found.executions += each


def judged(native: NativeCase, ran: Ran, seed: int, strategy: str) -> list[str]:
    """Make in Python what the native core gave up last; return what is wrong with it."""
    if ran.why == BUDGET:
        return []
    outcome, words = along_tapes(native, seed)
    verdict = outcome.verdict
    if not words and (verdict.kind == "inconclusive" or (verdict.kind == "clean" and native.is_limit(ran.why))):
        return []
    said = f"{verdict.kind} {verdict.reason} {words}; natively: {native.reason(ran.why)}"
    return [f"{native.runner.case} {strategy} {seed:#x}: {said}"]


def main() -> int:
    """Execute them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.million")
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each version")
    parser.add_argument("--kernel", nargs="+", choices=[*VERSIONS, *MENDS], default=[*VERSIONS, *MENDS])
    parser.add_argument("--profile", nargs="+", default=list(CATALOGUE.profiles()))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    each, problems = -(-args.executions // len(args.profile)), list[str]()
    scenarios = list(CATALOGUE.scenarios())
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(executed, name, key, each, scenarios) for name, key in kernels(args.kernel, args.profile)]
        for job in as_completed(jobs):
            done = job.result()
            problems += done.problems
            said = f"{done.executions} executions of {done.cases} cases in {done.seconds:.0f} s"
            print(f"{done.name}: {said}, {len(done.problems)} not clean", *done.problems[:8], sep="\n  ", flush=True)
    print(f"{len(problems)} not clean")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
