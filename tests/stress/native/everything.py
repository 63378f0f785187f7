"""Every scenario, profile, version and geometry, and every fault, natively and in Python, word for
word. ``python -m tests.stress.native.everything [--seeds N] [--profile NAME ...] [--record DIR]``;
exit status 1 if anything differs.

Kernels are taken in an order that mixes them, as many at once as there are cores, and the time that
is left is told from those that are done. With ``--record`` what is done is kept in a directory: a
run that was killed goes on there, as long as no source has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.fault import home_of, silent_on
from stress.machine.driver import run_plain
from stress.native.compilers import FAST, QUICK
from stress.native.kernels import KernelKey, library, sources_hash
from tests.stress.native.compiled import all_cases, differences

STRATEGIES = ("random", "pct")
SEEDS = 300
REAL_SHARE, FAULT_SHARE = 20, 10
"""Of the real geometry and of faulty kernels, one seed in so many."""


@dataclass(frozen=True)
class Done:
    """What came of one kernel."""

    name: str
    executions: int
    problems: list[str]
    seconds: float


def kernels(profiles: list[str]) -> Iterator[KernelKey]:
    """Yield every kernel: each version clean, and with each fault that can show there the first
    version that it is for.
    """
    for profile in profiles:
        yield from (KernelKey(profile, version) for version in CATALOGUE.kernels())
        for name in CATALOGUE.faults():
            planted = CATALOGUE.fault_class(name)
            if not silent_on(planted, profile, home_of(planted)):
                yield KernelKey(profile, home_of(planted), (name,))


def work(key: KernelKey, seeds: int) -> Iterator[tuple[Case, int]]:
    """Yield the cases of a kernel, each with how many seeds it gets."""
    for scenario in CATALOGUE.scenarios():
        small = all_cases(scenario, key.profile, key.kernel, faults=key.faults)
        yield from ((case, max(1, seeds // (FAULT_SHARE if key.faults else 1) // len(small))) for case in small)
        if not key.faults:
            real = all_cases(scenario, key.profile, key.kernel, "real")
            yield from ((case, max(1, seeds // REAL_SHARE // len(real))) for case in real[:2])


def compare(key: KernelKey, seeds: int) -> Done:
    """Compare one kernel; a faulty one, of which little is run, as it is compiled soonest."""
    began = perf_counter()
    found = library(key, list(CATALOGUE.scenarios()), CATALOGUE, QUICK if key.faults else FAST)
    problems = [f"{key}: {name} is not translated: {why}" for name, why in found.manifest.left_out.items()]
    executions = 0
    for case, count in work(key, seeds):
        problems += run_plain(differences(found, case, STRATEGIES, range(count)))
        executions += count * len(STRATEGIES)
    return Done(name_of(key), executions, problems, perf_counter() - began)


def name_of(key: KernelKey) -> str:
    """Return a kernel in words."""
    return " ".join((key.profile, key.kernel, *key.faults))


def mixed(key: KernelKey) -> bytes:
    """Return by what kernels are ordered: like ones apart."""
    return hashlib.blake2b(name_of(key).encode()).digest()


def compared(keys: list[KernelKey], seeds: int, workers: int, record: Path | None) -> Iterator[Done]:
    """Yield what came of kernels, first of those that the record has; keep the others there."""
    left = []
    for key in sorted(keys, key=mixed):
        file = file_of(key, seeds, record)
        if file is not None and file.exists():
            yield Done(**json.loads(file.read_text(encoding="utf-8")))
        else:
            left.append((key, file))
    with ProcessPoolExecutor(workers) as pool:
        running = {pool.submit(compare, key, seeds): file for key, file in left}
        for one in as_completed(running):
            done, file = one.result(), running[one]
            if file is not None:
                scratch = file.with_suffix(".new")
                scratch.write_text(json.dumps(vars(done)), encoding="utf-8")
                scratch.replace(file)
            yield done


def file_of(key: KernelKey, seeds: int, record: Path | None) -> Path | None:
    """Return where a record keeps what came of a kernel, of these sources."""
    if record is None:
        return None
    record.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(f"{name_of(key)} {seeds} {sources_hash()}".encode(), digest_size=12).hexdigest()
    return record / f"{name}.json"


def main() -> int:
    """Compare everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.native.everything")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each scenario, over its parameter sets")
    parser.add_argument("--profile", nargs="+", default=list(CATALOGUE.profiles()))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--record", type=Path, metavar="DIR", help="keep what is done there, and go on with it")
    args = parser.parse_args()
    keys, problems, spent = list(kernels(args.profile)), list[str](), 0.0
    for nr, done in enumerate(compared(keys, args.seeds, args.workers, args.record), 1):
        problems, spent = problems + done.problems, spent + done.seconds
        left = spent / nr * (len(keys) - nr) / args.workers / 60
        said = f"{done.executions} executions in {done.seconds:.0f} s, {len(done.problems)} problems"
        print(f"{nr} of {len(keys)}: {done.name}: {said}; about {left:.0f} min left", flush=True)
    print("\n".join(problems) or "everything is equal")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
