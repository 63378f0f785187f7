"""A conformance run: programs from seeds, under one configuration of folio sizes after the other,
checked by all workers at once.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stress.conform.findings import BatchResult, Finding
from stress.conform.linux.folio_sizes import ENABLED, SHMEM_ENABLED, ConfiguredSizes, Sizes, effective, offered
from stress.conform.linux.procfs import require
from stress.conform.model.spec import ModelSpec
from stress.conform.observation import HUGE
from stress.conform.pool import RigPool
from stress.errors import CLEAN, INCONCLUSIVE, INTERRUPTED, VIOLATED
from stress.files import make_folder, write_atomically


@dataclass(kw_only=True)
class Timed:
    """The part of a run's result that tells how long it took, and whether it was interrupted."""

    elapsed: float = 0.0
    """Seconds."""
    interrupted: bool = False
    began: float = field(default_factory=time.monotonic)

    def clock(self) -> None:
        """Bring ``elapsed`` up to date."""
        self.elapsed = time.monotonic() - self.began


Progress = TypeVar("Progress", bound=Timed)


def follow(result: Progress, rounds: Iterable[object], tell: Callable[[Progress], None]) -> None:
    """Make the rounds of a run, until there are no more or it is interrupted; call ``tell`` after
    each.
    """
    try:
        for _ in rounds:
            result.clock()
            tell(result)
    except KeyboardInterrupt:
        result.interrupted = True


@dataclass(frozen=True)
class Request:
    """What is to be compared."""

    model: ModelSpec
    executions: int
    """Programs."""
    seed: int
    """Of the first program."""
    workers: int
    configure: bool
    """Whether to set the sizes of large folios (``--configure-mthp``)."""
    directory: Path
    """Where programs that differ are kept."""
    catalogue: str
    """Where workers find names: ``module:attribute``."""


@dataclass
class SessionResult(Timed):
    """What a run has found, so far."""

    request: Request
    batches: BatchResult = field(default_factory=BatchResult)
    """The sum of all batches."""
    by_sizes: Counter[Sizes] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)

    def take(self, sizes: Sizes, batch: BatchResult) -> None:
        """Add the result of a batch."""
        self.batches.executions += batch.executions
        self.batches.counts.add(batch.counts)
        self.batches.findings += [finding for finding in batch.findings if finding.signature not in self.signatures]
        self.by_sizes[sizes] += batch.executions
        self.signatures.update([*(finding.signature for finding in batch.findings), *batch.repeated])


def configurations(configure: bool) -> list[Sizes]:
    """Return the sizes to go through, small pages alone first.

    If they are to be configured: each size that the kernel offers, then several at once. If not:
    those that are on now. One size of shared memory is on at a time, so that a program can say
    which it is; none that a PMD would map.
    """
    if not configure:
        now = Sizes(effective(ENABLED), small_enough(effective(SHMEM_ENABLED))[-1:])
        return [Sizes(), now] if any(now) else [Sizes()]
    anon, shmem = offered(ENABLED), small_enough(offered(SHMEM_ENABLED))
    alone = [
        Sizes((order,) if order in anon else (), (order,) if order in shmem else ())
        for order in sorted({*anon, *shmem})
    ]
    several = (anon[:2], anon[:-1:2], anon) if anon else ()
    return [Sizes(), *alone, *(Sizes(orders, small_enough(orders)[-1:] if shmem else ()) for orders in several)]


def small_enough(orders: tuple[int, ...]) -> tuple[int, ...]:
    """Return the orders whose folios are mapped by PTEs alone."""
    return tuple(order for order in orders if order < HUGE)


def run(request: Request, tell: Callable[[SessionResult], None]) -> SessionResult:
    """Run to the end, or until interrupted; call ``tell`` after each batch."""
    require()
    result = SessionResult(request)
    with ExitStack() as stack:
        switches = stack.enter_context(ConfiguredSizes()) if request.configure else None
        pool = stack.enter_context(RigPool(request.workers, request.catalogue, request.model))
        follow(result, batches(result, pool, switches), tell)
    result.clock()
    return result


def batches(result: SessionResult, pool: RigPool, switches: ConfiguredSizes | None) -> Iterator[None]:
    """Check every batch of every phase, and add its result."""
    for sizes, seeds in phases(result.request):
        if switches is not None:
            switches.set(*sizes)
        for batch in pool.check(seeds, sizes, result.signatures):
            result.take(sizes, batch)
            yield


def phases(request: Request) -> Iterator[tuple[Sizes, range]]:
    """Yield (sizes, seeds) of each configuration: an equal share of the executions; the first ones
    get one more if the division leaves a rest.
    """
    known, at = configurations(request.configure), request.seed
    for number, sizes in enumerate(known):
        count = request.executions // len(known) + (number < request.executions % len(known))
        yield sizes, range(at, at + count)
        at += count


# -- what is reported ------------------------------------------------------------------------------------------------


def exit_status(result: SessionResult) -> int:
    """Return the status that the run ends with."""
    if result.interrupted or result.signatures:
        return INTERRUPTED if result.interrupted else VIOLATED
    return INCONCLUSIVE if result.batches.counts.given_up else CLEAN


def summary(result: SessionResult) -> dict[str, Any]:
    """Return the run as data for JSON."""
    request, counts, executions = result.request, result.batches.counts, result.batches.executions
    return {
        "executions": executions,
        "operations": sum(counts.operations.values()),
        "operations_by_name": dict(sorted(counts.operations.items())),
        "pages": counts.pages,
        "processes": counts.observations,
        "retried": counts.retried,
        "given_up": counts.given_up,
        "excluded": dict(sorted(counts.excluded.items())),
        "override_runs": dict(sorted(counts.override_runs.items())),
        "differences": [finding_data(result, finding) for finding in result.batches.findings],
        "sizes_kb": {str(sizes): count for sizes, count in result.by_sizes.items()},
        "running": platform.release(),
        "kernel": request.model.kernel,
        "profile": request.model.profile,
        "faults": list(request.model.faults),
        "seed": request.seed,
        "workers": request.workers,
        "elapsed_s": round(result.elapsed, 3),
        "executions_per_s": round(executions / result.elapsed, 1) if result.elapsed else 0.0,
        "interrupted": result.interrupted,
        "exit_status": exit_status(result),
    }


def finding_data(result: SessionResult, finding: Finding) -> dict[str, Any]:
    """Return a difference as data for JSON."""
    return {
        "signature": finding.signature,
        "count": result.signatures[finding.signature],
        "seed": finding.seed,
        "differences": list(finding.differences),
        "reproduced": f"{finding.reproduced}/{finding.runs}",
        "smallest": finding.smallest,
        "program": str(path_of(result.request.directory, finding)),
        "listing": finding.listing,
    }


def path_of(directory: Path, finding: Finding) -> Path:
    """Return where a difference's program is kept."""
    return directory / f"{finding.signature.replace(' ', '-').replace('.', '-')}-{finding.seed:#x}.json"


def save(result: SessionResult) -> None:
    """Keep the programs that differ."""
    for finding in result.batches.findings:
        path = path_of(result.request.directory, finding)
        make_folder(path.parent)
        write_atomically(path, (finding.program + "\n").encode())
