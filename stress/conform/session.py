"""A conformance run: its configurations of folio sizes one after the other, each by all workers at
once, and what is told of it.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from stress.conform.draw import HUGE
from stress.conform.linux.folio_sizes import ENABLED, SHMEM_ENABLED, Configured, Sizes, effective, offered
from stress.conform.linux.procfs import require
from stress.conform.worker import Finding, Result, Setting, work
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, VIOLATED, ZapstressError

BATCH = 40
"""Programs that a worker is given at once."""


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    setting: Setting
    executions: int
    seed: int
    workers: int
    configure: bool
    directory: Path
    catalogue: str


@dataclass
class Outcome:
    """What a run has come to, so far."""

    plan: Plan
    result: Result = field(default_factory=Result)
    by_sizes: Counter[Sizes] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0
    interrupted: bool = False

    def take(self, sizes: Sizes, result: Result) -> None:
        """Add a batch's result."""
        self.result.executions += result.executions
        self.result.tally.add(result.tally)
        self.result.findings += [finding for finding in result.findings if finding.signature not in self.signatures]
        self.by_sizes[sizes] += result.executions
        self.signatures.update([*(finding.signature for finding in result.findings), *result.repeated])


class WorkerDied(ZapstressError):
    """A worker of a conformance run died."""

    exit_status = FAILED


def configurations(configure: bool) -> list[Sizes]:
    """Return the sizes to go through: small pages alone, each size that is offered, several at
    once; or what is on now.

    One size of shared memory is on at a time, so that a program can say which it is; none that a
    PMD would map.
    """
    if not configure:
        now = Sizes(effective(ENABLED), small_enough(effective(SHMEM_ENABLED))[-1:])
        return [Sizes(), now] if any(now) else [Sizes()]
    anon, shmem = offered(ENABLED), small_enough(offered(SHMEM_ENABLED))
    alone = [
        Sizes((order,) if order in anon else (), (order,) if order in shmem else ())
        for order in sorted({*anon, *shmem})
    ]
    together = (
        [Sizes(orders, small_enough(orders)[-1:] if shmem else ()) for orders in (anon[:2], anon[:-1:2], anon)]
        if anon
        else []
    )
    return [Sizes(), *alone, *together]


def small_enough(orders: tuple[int, ...]) -> tuple[int, ...]:
    """Return the orders whose folios are mapped by PTEs alone."""
    return tuple(order for order in orders if order < HUGE)


def run(plan: Plan, tell: Callable[[Outcome], None]) -> Outcome:
    """Run to the end, or until interrupted; ``tell`` is called after each batch."""
    require()
    outcome, began = Outcome(plan), time.monotonic()
    with ExitStack() as stack:
        switches = stack.enter_context(Configured()) if plan.configure else None
        workers = stack.enter_context(Workers(plan))
        try:
            for sizes, seeds in phases(plan):
                if switches is not None:
                    switches.set(*sizes)
                for result in workers.check(seeds, sizes, outcome.signatures):
                    outcome.take(sizes, result)
                    outcome.elapsed = time.monotonic() - began
                    tell(outcome)
        except KeyboardInterrupt:
            outcome.interrupted = True
    outcome.elapsed = time.monotonic() - began
    return outcome


def phases(plan: Plan) -> Iterator[tuple[Sizes, range]]:
    """Yield (sizes, seeds): the executions dealt out evenly, smaller configurations first getting
    one more.
    """
    known, at = configurations(plan.configure), plan.seed
    for number, sizes in enumerate(known):
        count = plan.executions // len(known) + (number < plan.executions % len(known))
        yield sizes, range(at, at + count)
        at += count


class Workers:
    """Worker processes, each with a CPU. A context manager."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        cpus = sorted(os.sched_getaffinity(0))
        self.connections: list[Connection] = []
        self.processes: list[BaseProcess] = []
        for number in range(plan.workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work, args=(theirs, plan.catalogue, plan.setting, cpus[number % len(cpus)]), daemon=True
            )
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.join()

    def check(self, seeds: range, sizes: Sizes, known: Counter[str]) -> Iterator[Result]:
        """Deal the seeds out in batches; yield what comes back."""
        batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
        idle = list(self.connections)
        busy: list[Connection] = []
        while batches or busy:
            while batches and idle:
                connection = idle.pop()
                connection.send((batches.pop(0), sizes, set(known)))
                busy.append(connection)
            for ready in wait(busy):
                assert isinstance(ready, Connection)
                busy.remove(ready)
                idle.append(ready)
                yield receive(ready)


def receive(connection: Connection) -> Result:
    """Return what a worker sends; raise what it raised."""
    try:
        answer = connection.recv()
    except EOFError:
        raise WorkerDied("a worker of the conformance run died; run it again with --workers 1 to see why") from None
    if isinstance(answer, BaseException):
        raise answer
    assert isinstance(answer, Result)
    return answer


# -- what is told ----------------------------------------------------------------------------------------------------


def exit_status(outcome: Outcome) -> int:
    """Return the status that the run ends with."""
    if outcome.interrupted or outcome.signatures:
        return INTERRUPTED if outcome.interrupted else VIOLATED
    return INCONCLUSIVE if outcome.result.tally.given_up else CLEAN


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return the run as data for JSON."""
    plan, tally, result = outcome.plan, outcome.result.tally, outcome.result
    return {
        "executions": result.executions, "operations": sum(tally.operations.values()), "operations_by_name": dict(sorted(tally.operations.items())),
        "pages": tally.pages, "processes": tally.observations, "retried": tally.retried, "given_up": tally.given_up,
        "excluded": dict(sorted(tally.excluded.items())), "differences": [finding_data(outcome, finding) for finding in result.findings],
        "sizes_kb": {str(sizes): count for sizes, count in outcome.by_sizes.items()},
        "running": platform.release(), "kernel": plan.setting.kernel, "profile": plan.setting.profile, "faults": list(plan.setting.faults),
        "seed": plan.seed, "workers": plan.workers, "elapsed_s": round(outcome.elapsed, 3),
        "executions_per_s": round(result.executions / outcome.elapsed, 1) if outcome.elapsed else 0.0, "interrupted": outcome.interrupted,
        "exit_status": exit_status(outcome),
    }  # fmt: skip


def finding_data(outcome: Outcome, finding: Finding) -> dict[str, Any]:
    """Return a difference as data for JSON."""
    return {
        "signature": finding.signature, "count": outcome.signatures[finding.signature], "seed": finding.seed,
        "differences": list(finding.differences), "reproduced": f"{finding.reproduced}/{finding.runs}", "smallest": finding.smallest,
        "program": str(path_of(outcome.plan.directory, finding)), "listing": finding.listing,
    }  # fmt: skip


def path_of(directory: Path, finding: Finding) -> Path:
    """Return where a difference's program is kept."""
    return directory / f"{finding.signature.replace(' ', '-').replace('.', '-')}-{finding.seed:#x}.json"


def save(outcome: Outcome) -> None:
    """Keep the programs that differ."""
    for finding in outcome.result.findings:
        path = path_of(outcome.plan.directory, finding)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(finding.program + "\n")


# -- what is modelled of this machine --------------------------------------------------------------------------------


def nearest_kernel(release: str, versions: list[str]) -> str:
    """Return the newest of ``versions`` (those that are plain numbers) that is not newer than
    ``release``, or the oldest.
    """
    plain = sorted((version for version in versions if re.fullmatch(r"\d+\.\d+", version)), key=number)
    return max((version for version in plain if number(version) <= number(release)), key=number, default=plain[0])


def number(version: str) -> tuple[int, int]:
    """Return (major, minor) of a kernel's version."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)


def machine_profile() -> str:
    """Return the architecture profile of this machine."""
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    return {"x86_64": "x86-64", "aarch64": f"arm64-{page}k"}.get(platform.machine(), platform.machine())
