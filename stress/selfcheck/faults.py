"""Do the checkers bite? Every fault on every profile, and the clean kernel beside it.

A cell of the matrix is a planted fault on a profile. It is *expected silent* where the fault gives
a reason (its attribute ``silent``), and else expected to be found within a budget. A find counts
only if its trace, in another process, replays to the same signature, and ends clean without the
fault. The clean kernel is a row like the faults', expected silent everywhere.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any

import trio

from sim.core.profile import SMALL
from stress.case import DEFAULT_KERNEL
from stress.catalogue import find_catalogue
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, VIOLATED
from stress.fault import home_of, silent_on
from stress.files import make_folder, write_atomically
from stress.sources import ended_words
from stress.trace.explanation import SHRUNK
from stress.trace.file import decode
from stress.workers.causes.attempts import size_of
from stress.workers.fleet import DeadWorker, Fleet
from stress.workers.messages import (
    FOREVER_S,
    Answer,
    Batch,
    CheckAnswer,
    CheckOrder,
    Failure,
    LeaseOrder,
    Order,
    ReduceAnswer,
    ReduceOrder,
    WorkerFailed,
)
from stress.workers.plan.leases import Lease, Plan
from stress.workers.settings import Settings
from stress.workers.signals import end_when_signalled

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

FIND_EXECUTIONS_MAX = 50_000
"""Executions in which a fault must be found."""

SILENT_EXECUTIONS = 2_000
"""Executions that a cell which is to be silent is run for."""

LEASE_COUNT_MAX = 64
"""Leases end by count and never by the clock, so that executions-to-find are the same on every
machine.
"""

CLEAN_KERNEL = "none"
"""What the row of the clean kernel is called."""


@dataclass
class Cell:
    """A fault on a profile of a kernel version, and what came of it.

    ``reason`` says why the cell is expected silent; it is empty if the fault is to be found.
    """

    fault: str
    profile: str
    reason: str
    budget: int
    kernel: str = field(default=DEFAULT_KERNEL, kw_only=True)
    nth: int = 0
    """Which of the searches of this cell it is: its seed counts up by that."""
    found: bool = False
    executions: int = 0
    seconds: float = 0.0
    """From the order of each lease to its last answer."""
    checker: str = ""
    title: str = ""
    signature: str = ""
    scenario: str = ""
    params: dict[str, int] = field(default_factory=dict)
    strategy: str = ""
    seed: int = 0
    trace: str | None = None
    replays: bool | None = None
    """The trace gave the same signature in another process."""
    clean_without: bool | None = None
    """The trace ended clean without the fault."""
    shrunk: dict[str, int] | None = None
    """Actors, switches and steps of the smallest form, and the orderings that it hangs on."""
    unshrunk: str = ""
    """Why there is no such form, where one was looked for."""
    error: str = ""
    """What went wrong that is no verdict."""

    @property
    def expected(self) -> str:
        """``found`` or ``silent``."""
        return "silent" if self.reason else "found"

    @property
    def over(self) -> bool:
        """Whether the cell has its result: also what became of the find in another process."""
        done = self.replays is not None if self.found else self.executions >= self.budget
        return bool(self.error) or done

    @property
    def status(self) -> int:
        """What the cell contributes to the exit status."""
        if self.error:
            return FAILED
        if not self.over:
            return INTERRUPTED
        if self.reason:
            return CLEAN if not self.found else VIOLATED if self.fault == CLEAN_KERNEL else FAILED
        if not self.found:
            return INCONCLUSIVE
        return CLEAN if self.replays and self.clean_without else FAILED

    def data(self) -> dict[str, Any]:
        """Return the cell as plain data."""
        return {**vars(self), "expected": self.expected, "ok": self.status == CLEAN, "interrupted": not self.over}


class Selfcheck:
    """Fills the matrix.

    One worker has a cell from its first lease to its last, so that the count of executions is
    exact.
    """

    def __init__(
        self,
        cells: list[Cell],
        scenarios: tuple[str, ...],
        workers: int,
        seed: int,
        directory: Path,
        catalogue: str,
        kernel: str = DEFAULT_KERNEL,
        patch: tuple[str, ...] = (),
        shrink_s: float = 0.0,
    ) -> None:
        self.cells, self.scenarios, self.seed, self.directory = cells, scenarios, seed, directory
        self.shrink_s = shrink_s
        """How long the first find of each fault on each profile is shrunk; 0 if it is not."""
        self.kernel, self.patch = kernel, patch
        self.catalogue: Catalogue = find_catalogue(catalogue)
        self.fleet = Fleet(workers, catalogue)
        self.waiting = deque(cells)
        self.began = time.monotonic()
        self.interrupted = False
        self.plans: dict[int, tuple[Cell, Plan]] = {}
        """The cell that each worker has, and its plan."""
        self.leases: dict[int, Lease] = {}
        """What each worker has in hand of its plan."""
        self.issued: dict[int, float] = {}
        """When it was given that."""
        self.checks: list[deque[tuple[Cell, CheckOrder | ReduceOrder]]] = [deque() for _ in range(workers)]
        self.checking: dict[int, Cell] = {}
        """The cell whose find each worker checks, or shrinks."""
        self.override_runs: Counter[str] = Counter()
        """How often each override of the patch has run."""

    # -- the boss of the fleet -------------------------------------------------------------------------------------

    def over(self) -> bool:
        """Return whether the matrix is full and every find checked; of a run that was interrupted,
        whether nothing is in hand.
        """
        if self.interrupted:
            return not (self.leases or self.checking)
        return not (self.waiting or self.plans or self.checking or any(self.checks))

    def order(self, worker: int) -> Order | None:
        """Return a check if one waits, else a lease of the worker's cell, or of the next."""
        if self.interrupted:
            return None
        if self.checks[worker]:
            self.checking[worker], order = self.checks[worker].popleft()
            return order
        if worker not in self.plans and not self._take_up(worker):
            return None
        _, plan = self.plans[worker]
        lease = plan.lease(worker)
        assert lease is not None, "a cell ends with its budget"
        self.leases[worker], self.issued[worker] = lease, time.monotonic()
        return lease.order(
            number=0,
            slice_s=FOREVER_S,
            left_s=FOREVER_S,
            stop_on_first=True,
            afresh=plan.issued == 1,
        )

    def interrupt(self) -> None:
        """Hand out nothing more; what is in hand is finished."""
        self.interrupted = True
        self.fleet.wake()

    def never_ran(self) -> tuple[str, ...]:
        """Return the overrides of the patch of which nothing is known."""
        profiles = dict.fromkeys(cell.profile for cell in self.cells)
        return self.catalogue.never_ran(self.patch, profiles, self.kernel, self.override_runs)

    def left_s(self) -> float | None:
        """Return about how many seconds are left; None until a cell is done.

        A cell that is to be silent takes its whole budget, one that is to be found about what those
        took that were found.
        """
        executions = sum(cell.executions for cell in self.cells)
        left = [cell for cell in self.cells if not cell.over]
        done = [cell.executions for cell in self.cells if cell.over and not cell.reason]
        if not executions or len(left) == len(self.cells):
            return None
        usual = sum(done) / len(done) if done else min(cell.budget for cell in left) if left else 0
        ahead = sum(max(0, (cell.budget if cell.reason else usual) - cell.executions) for cell in left)
        return ahead * (time.monotonic() - self.began) / executions

    def _take_up(self, worker: int) -> bool:
        """Give the worker the next cell."""
        if not self.waiting:
            return False
        cell = self.waiting.popleft()
        faults = () if cell.fault == CLEAN_KERNEL else (cell.fault,)
        settings = Settings(
            self.seed + cell.nth, self.scenarios, (cell.profile,), SMALL, cell.kernel, faults, self.patch
        )
        plan = Plan(settings, cell.budget, 1, LEASE_COUNT_MAX)
        ranks = settings.ranks(SMALL, self.catalogue)
        plan.add(ranks, {case: number for number, case in enumerate(case for cases in ranks for case in cases)}, {})
        self.plans[worker] = cell, plan
        return True

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        """Take what came of a lease or of a check."""
        match order, answer:
            case _, WorkerFailed():
                self._give_up(worker, answer.message)
                return True
            case CheckOrder(), CheckAnswer():
                cell = self.checking.pop(worker)
                cell.replays, cell.clean_without = answer.replays, answer.without_faults == "clean"
                if self.shrink_s and not cell.nth:
                    self.checks[worker].append((cell, self._reduction(order)))
                return True
            case ReduceOrder(), ReduceAnswer():
                self._shrunk(self.checking.pop(worker), answer)
                return True
            case LeaseOrder(), Batch():
                self._count(worker, order, answer)
                return answer.last
        return False

    def _reduction(self, check: CheckOrder) -> ReduceOrder:
        """Return the order to shrink a find that was checked."""
        return ReduceOrder(number=0, case=check.case, trace=check.trace, seconds=self.shrink_s)

    def _shrunk(self, cell: Cell, answer: ReduceAnswer) -> None:
        """Note how small the form of a find is, and keep it beside the find's trace."""
        cell.unshrunk = answer.why
        if answer.trace and cell.trace:
            size = size_of(decode(answer.trace, "the form").schedule)
            cell.shrunk = {**size._asdict(), "orderings": len(answer.explanation["orderings"])}
            write_atomically(Path(f"{cell.trace}.{SHRUNK}"), answer.trace)

    def _count(self, worker: int, order: LeaseOrder, batch: Batch) -> None:
        """Count what a lease has brought; a cell ends with its find, or with its budget."""
        cell, _ = self.plans[worker]
        cell.executions += batch.done
        for key, runs in batch.counts.get("overrides", {}).items():
            self.override_runs[key.partition(" / ")[0]] += runs
        self.leases[worker].took(batch)
        if batch.failures and not cell.found:
            self._find(worker, cell, order, batch.failures[0])
        if batch.last:
            self.leases.pop(worker).close()
            cell.seconds += time.monotonic() - self.issued.pop(worker)
            if cell.found or cell.executions >= cell.budget:
                del self.plans[worker]

    def died(self, worker: int, order: Order | None, dead: DeadWorker) -> None:
        """A fault that kills the tester is a mistake to be told of."""
        if order is not None:
            seed = dead.held and dead.held[1]
            self._give_up(worker, f"the worker {ended_words(dead.exit_status)} at seed {seed}")

    def _give_up(self, worker: int, why: str) -> None:
        """End what the worker has in hand, a check or a cell, without a verdict."""
        if worker in self.checking:
            self.checking.pop(worker).error = why
        elif worker in self.plans:
            self.plans.pop(worker)[0].error = why
            self.leases.pop(worker, None)

    def _find(self, worker: int, cell: Cell, order: LeaseOrder, failure: Failure) -> None:
        """Note a find, keep its trace, and have another worker check it."""
        assert failure.trace is not None, "the first of its signature in a cell"
        cell.found = True
        cell.checker, cell.title, cell.signature = failure.checker, failure.title, failure.signature
        cell.seed, cell.strategy = failure.seed, order.strategy
        cell.scenario, cell.params = order.case.scenario, dict(order.case.params)
        path = self.directory / f"{cell.fault}-{cell.profile}{f'-{cell.nth + 1}' if cell.nth else ''}.trace"
        write_atomically(path, failure.trace)
        cell.trace = str(path)
        self.checks[(worker + 1) % len(self.checks)].append((cell, CheckOrder(case=order.case, trace=failure.trace)))


def matrix(
    faults: tuple[str, ...],
    profiles: tuple[str, ...],
    executions: int | None,
    catalogue: Catalogue,
    seeds: int = 1,
    kernel: str | None = None,
) -> list[Cell]:
    """Return the cells: those of the clean kernel first, then profile by profile, so that
    neighbours differ in cost; a cell that is to be found ``seeds`` times.

    Without a ``kernel`` each fault is planted in the first version that it is for.
    """
    silent = executions or SILENT_EXECUTIONS
    cells = [Cell(CLEAN_KERNEL, profile, "no fault", silent, kernel=kernel or DEFAULT_KERNEL) for profile in profiles]
    for profile in profiles:
        for fault in faults:
            planted = catalogue.fault_class(fault)
            version = kernel or home_of(planted)
            reason = silent_on(planted, profile, version)
            budget = silent if reason else executions or FIND_EXECUTIONS_MAX
            searches = range(1 if reason else seeds)
            cells += [Cell(fault, profile, reason, budget, nth, kernel=version) for nth in searches]
    return cells


def merged(cells: list[Cell]) -> list[dict[str, Any]]:
    """Return a cell for each fault and profile, as plain data: the first of its searches, or the
    first that is not as expected, with the medians of executions and seconds.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.fault, cell.profile), []).append(cell)
    found = []
    for group in groups.values():
        shown = next((cell for cell in group if cell.status not in (CLEAN, INTERRUPTED)), None)
        shown = shown or next((cell for cell in group if cell.status), group[0])
        data = shown.data()
        del data["nth"]
        data["executions"] = median_low([cell.executions for cell in group])
        data["seconds"] = round(median_low([cell.seconds for cell in group]), 5)
        found.append({**data, "searches": len(group)})
    return found


def worst(statuses: set[int]) -> int:
    """Return the status of a matrix whose cells have ``statuses``."""
    return next((status for status in (VIOLATED, FAILED, INCONCLUSIVE) if status in statuses), CLEAN)


def run_selfcheck(check: Selfcheck, progress: Callable[[Selfcheck], Awaitable[None]] | None = None) -> dict[str, Any]:
    """Fill the matrix; return it as plain data. ``progress`` is an async function that shows how it
    goes.
    """
    check.began = began = time.monotonic()
    make_folder(check.directory)
    shown = [partial(progress, check)] if progress is not None else []
    trio.run(check.fleet.run, check, partial(end_when_signalled, check.interrupt), *shown)
    elapsed, executions = time.monotonic() - began, sum(cell.executions for cell in check.cells)
    statuses, idle = {cell.status for cell in check.cells}, check.never_ran()
    return {
        "ok": statuses == {CLEAN},
        "interrupted": check.interrupted,
        "exit_status": INTERRUPTED if check.interrupted else worst(statuses) or (INCONCLUSIVE if idle else CLEAN),
        "never_ran": idle,
        "executions": executions,
        "elapsed_s": round(elapsed, 3),
        "seed": check.seed,
        "kernel": check.kernel,
        "patch": list(check.patch),
        "faults": list(dict.fromkeys(cell.fault for cell in check.cells if cell.fault != CLEAN_KERNEL)),
        "profiles": list(dict.fromkeys(cell.profile for cell in check.cells)),
        "scenarios": list(check.scenarios),
        "cells": merged(check.cells),
        "dir": str(check.directory),
    }
