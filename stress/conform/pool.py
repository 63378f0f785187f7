"""The worker processes of a conformance run, each with a rig on a CPU of its own; both ends of
their pipes.

The pool is not the fleet of :mod:`stress.workers`, which is for campaigns. A fleet stands above
this package, hands out leases of cases in JSON, and is driven by trio. Here all that crosses is
seeds one way and a :class:`BatchResult` the other, between one version of the program and itself;
the supervisor has nothing else to do meanwhile; and a worker must outlive an interrupt until its
agents have ended. ``multiprocessing`` does this in a page.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from stress.catalogue import find_catalogue
from stress.conform.comparison import Rig
from stress.conform.findings import BatchResult, check_seeds
from stress.conform.linux.folio_sizes import Sizes
from stress.conform.model.spec import ModelSpec, composer
from stress.errors import FAILED, ZapstressError
from stress.patch.guard import blaming

BATCH = 40
"""Seeds that a worker is given at once."""


class RigProcessDied(ZapstressError):
    """A worker process of a conformance run died."""

    exit_status = FAILED


class RigPool:
    """Worker processes, each with a rig on a CPU. A context manager.

    ``catalogue`` says where workers find names (``module:attribute``).
    """

    def __init__(self, workers: int, catalogue: str, model: ModelSpec) -> None:
        context = multiprocessing.get_context("spawn")
        cpus = sorted(os.sched_getaffinity(0))
        self.connections: list[Connection] = []
        self.processes: list[BaseProcess] = []
        for number in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work, args=(theirs, catalogue, model, cpus[number % len(cpus)]), daemon=True
            )
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def __enter__(self) -> RigPool:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.join()

    def check(self, seeds: range, sizes: Sizes, known: Counter[str]) -> Iterator[BatchResult]:
        """Deal the seeds out in batches; yield each batch's result as it comes.

        Signatures in ``known`` are not shrunk again.
        """
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


def receive(connection: Connection) -> BatchResult:
    """Return what a worker sends. Raises what the worker raised, and RigProcessDied."""
    try:
        answer = connection.recv()
    except EOFError:
        raise RigProcessDied("a worker of the conformance run died; run it again with --workers 1 to see why") from None
    if isinstance(answer, BaseException):
        raise answer
    assert isinstance(answer, BatchResult)
    return answer


def work(connection: Connection, catalogue: str, model: ModelSpec, cpu: int) -> None:
    """Be a worker: answer (seeds, sizes, known signatures) with a BatchResult or an exception,
    until the other end closes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        names = find_catalogue(catalogue)
        with blaming(names.patch(model.patch)), Rig(*composer(names, model), cpu, blind=bool(model.faults)) as rig:
            while True:
                seeds, sizes, known = connection.recv()
                connection.send(check_seeds(rig, seeds, sizes, known))
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send(error)
