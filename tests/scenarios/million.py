"""Executions of the clean kernels by the million, natively, of every case there is: every scenario,
parameter set, profile and version. ``python -m tests.scenarios.million [--executions N]``; exit
status 1 if anything is not clean.

A campaign of a minute opens some hundreds of the thousands of cases. Here each is opened once and
has its share of the executions, under each strategy of the portfolio in turn. What the native core
does not call clean is executed again in Python, which judges.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from time import perf_counter

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.machine.driver import run_plain
from stress.native.compilers import FAST
from stress.native.kernels import KernelKey, library
from stress.native.runner import Library, NativeCase
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


def cases_of(key: KernelKey) -> list[Case]:
    """Return every case of a kernel."""
    found = [case for name in CATALOGUE.scenarios() for case in all_cases(name, key.profile, key.kernel)]
    return [Case(c.scenario, c.params, c.profile, c.geometry, c.kernel, patch=key.patch) for c in found]


def executed(name: str, key: KernelKey, executions: int) -> Found:
    """Execute every case of a kernel, together so many times."""
    began, found, every = perf_counter(), Found(name), cases_of(key)
    compiled = library(key, list(CATALOGUE.scenarios()), CATALOGUE, FAST)
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
                    found.problems += judged(runner, name, SEED + done, native.reason(ran.why))
                    done += 1
            found.executions += each


def judged(runner: Runner, strategy: str, seed: int, why: str) -> list[str]:
    """Execute in Python what the native core gave up; return what was not clean."""
    verdict = runner.run(CATALOGUE.strategy(strategy), seed, RandomData(seed)).verdict
    if verdict.kind in ("clean", "inconclusive"):
        return []
    return [f"{runner.case} {strategy} {seed:#x}: {verdict.kind} {verdict.reason} (natively: {why})"]


def main() -> int:
    """Execute them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.million")
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each version")
    parser.add_argument("--kernel", nargs="+", choices=[*VERSIONS, *MENDS], default=[*VERSIONS, *MENDS])
    parser.add_argument("--profile", nargs="+", default=list(CATALOGUE.profiles()))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    each, problems = -(-args.executions // len(args.profile)), list[str]()
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(executed, name, key, each) for name, key in kernels(args.kernel, args.profile)]
        for job in as_completed(jobs):
            done = job.result()
            problems += done.problems
            said = f"{done.executions} executions of {done.cases} cases in {done.seconds:.0f} s"
            print(f"{done.name}: {said}, {len(done.problems)} not clean", *done.problems[:8], sep="\n  ", flush=True)
    print(f"{len(problems)} not clean")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
