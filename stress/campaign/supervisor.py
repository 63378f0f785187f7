"""The supervisor of a campaign: hands out leases, records what comes back, and ends in good order.

Everything that is known is in the results directory (:mod:`stress.campaign.store`); what is in
memory here can be lost at any moment, and a campaign goes on from its directory. A share of the
executions is run a second time in another worker, which has another hash seed: if the digests
differ, something other than the tapes decides, and that is a verdict of its own.
"""

from __future__ import annotations

import base64
import hashlib
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from sim.core.profile import REAL, SMALL
from stress.campaign.store import Batch, Failure, Store
from stress.campaign.summary import summary
from stress.catalogue import DEFAULT_CATALOGUE, find_catalogue
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, VIOLATED
from stress.parallel.settings import PROCESSES
from stress.workers.fleet import Fleet, Order, WorkerError, WorkerProcess, foremost
from stress.workers.leases import PARALLEL_EVERY, Lease, Plan, Settings, rows_of

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

TWIN_EVERY = 64
"""One execution in so many is run twice."""

TWINS_MAX = 256
"""Executions that may wait for their second run; beyond that no more are chosen."""

NOTE_SECONDS = 1.0
"""How often the directory learns how long the campaign has run."""


@dataclass
class Budget:
    """How long to go on, with how many workers; at least one of the bounds is given."""

    duration_s: float | None = None
    executions: int | None = None
    workers: int = 1
    stop_on_first: bool = False
    twin_every: int = TWIN_EVERY


class Campaign:
    """One run of a campaign over an open store.

    ``ended`` says how it ended: done, found, interrupted or failed.
    """

    def __init__(self, store: Store, settings: Settings, budget: Budget, catalogue: str = DEFAULT_CATALOGUE) -> None:
        self.store, self.settings, self.budget = store, settings, budget
        self.plans = plans_of(settings, budget)
        twin_worker = budget.workers == 1 and budget.twin_every > 0
        self.fleet = Fleet(budget.workers + twin_worker, catalogue)
        self.cases: dict[int, Order] = {}
        self.leases: dict[int, tuple[Plan, Lease]] = {}
        self.sites: dict[str, None] = {}
        self.twins: list[deque[Order]] = [deque() for _ in range(self.fleet.workers)]
        self.twins_out = self.turn = 0
        self.stopping = False
        self.ended = "done"
        self.executions = self.steps = self.failures = 0
        self.began = time.monotonic()
        self._prepare(find_catalogue(catalogue))

    def _prepare(self, catalogue: Catalogue) -> None:
        """Expand the cases, and take up what the directory has of them."""
        settings, store = self.settings, self.store
        progress = store.resume()
        for geometry in (settings.geometry,) if settings.geometry else (SMALL, REAL):
            ranks = rows_of(settings.scenarios, settings.profiles, geometry, catalogue, settings.kernel)
            store.add_cases(row for rows in ranks for row in rows)
            for plan in self.plans:
                plan.add(ranks, store.cases, progress)
            self.cases |= {store.cases[row.key]: settings.case(row) for rows in ranks for row in rows}
        self.session = store.begin_session()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    # -- the boss of the fleet -----------------------------------------------------------------------------------

    def over(self) -> bool:
        """Return whether nothing is left to be done, in hand or to be handed out."""
        if self.ended == "interrupted" or self.ended == "found":
            return not self.leases
        return self._exhausted() and not self.leases and not self.twins_out and not any(self.twins)

    def _exhausted(self) -> bool:
        if self.budget.duration_s is not None and self.elapsed_s >= self.budget.duration_s:
            self.stopping = True
        return self.stopping or all(plan.left is not None and plan.left <= 0 for plan in self.plans)

    def order(self, worker: int) -> Order | None:
        """Return a second run if one waits for this worker, else a lease."""
        if self.ended not in ("interrupted", "found") and self.twins[worker]:
            self.twins_out += 1
            return self.twins[worker].popleft()
        if self._exhausted() or worker >= self.budget.workers:
            return None
        plan, lease = next(
            ((plan, lease) for plan in self._turns(worker) if (lease := plan.lease(worker)) is not None), (None, None)
        )
        if plan is None or lease is None:
            return None
        number = lease.entry.number
        first = plan.base + lease.first
        name = self.store.open_lease(number, lease.strategy, first, lease.count)
        self.leases[name] = (plan, lease)
        room = sum(map(len, self.twins)) < TWINS_MAX
        left_s = lease.slice_s if self.budget.duration_s is None else self.budget.duration_s - self.elapsed_s
        return {
            "do": "lease",
            "lease": name,
            "number": number,
            "case": self.cases[number],
            "strategy": lease.strategy,
            "options": self.settings.options,
            "first": first,
            "count": lease.count,
            "slice_s": min(lease.slice_s, left_s),
            "twin_every": self.budget.twin_every if room and not plan.together else 0,
            "processes": PROCESSES if plan.together else 0,
            "stop": self.budget.stop_on_first,
            "dir": str(self.store.directory),
        }

    def answer(self, worker: int, order: Order, answer: Order) -> bool:
        """Record an answer; return whether the order is carried out. Raises WorkerError."""
        if answer["is"] == "error":
            raise WorkerError(answer)
        if answer["is"] == "sites":
            self.sites |= dict.fromkeys(answer["names"])
            return False
        if answer["is"] == "twin":
            self._twin(order, answer)
            return True
        batch = batch_of(answer, order["strategy"])
        self.store.record(order["lease"], batch, answer["last"])
        self._count(batch)
        order["done"] = order.get("done", 0) + batch.executions
        for pid, status, seed in answer["deaths"]:
            self.store.died(worker, pid, (order["number"], seed), status, 0)
        other = (worker + 1) % len(self.twins)
        for twin in answer["twins"]:
            self.twins[other].append(
                {**{name: order[name] for name in ("number", "case", "strategy", "options")}, **twin, "do": "twin"}
            )
        if answer["last"]:
            self._close(order)
        return bool(answer["last"])

    def died(self, worker: int, order: Order | None, process: WorkerProcess) -> None:
        """Record the death with the seed that the worker held; nothing is run again."""
        status = process.process.returncode
        held = process.pulse.held if order is not None else None
        self.store.died(worker, process.process.pid, held, status if status is not None else 0, process.unrecorded)
        if order is None:
            return
        if order["do"] == "twin":
            self.twins_out -= 1
            return
        self.store.tear(order["lease"])
        self._close(order, torn=True)

    def _turns(self, worker: int) -> list[Plan]:
        """Return the plans that the worker may serve, the one whose turn it is first.

        Gangs share the cores: one worker has one.
        """
        if len(self.plans) < 2:
            return self.plans
        if worker:
            return self.plans[:1]
        self.turn += 1
        return self.plans if self.turn % PARALLEL_EVERY else self.plans[::-1]

    def _close(self, order: Order, torn: bool = False) -> None:
        plan, lease = self.leases.pop(order["lease"])
        plan.close(lease, order.get("done", 0), torn)

    # -- findings ------------------------------------------------------------------------------------------------

    def _count(self, batch: Batch) -> None:
        self.executions += batch.executions
        self.steps += batch.steps
        found = sum(failure.count for failure in batch.failures)
        self._found(found)

    def _found(self, failures: int) -> None:
        self.failures += failures
        if failures and self.budget.stop_on_first and self.ended == "done":
            self.stopping, self.ended = True, "found"
            self.fleet.wake()

    def _twin(self, order: Order, answer: Order) -> None:
        """Compare an execution's two digests."""
        self.twins_out -= 1
        self.store.twin(order["number"], order["seed"], order["digest"], answer["digest"])
        if order["digest"] != answer["digest"]:
            self.store.fail(order["number"], nondeterminism(order, answer))
            self._found(1)

    # -- a run ---------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Hand out nothing more; what is in hand is finished and recorded."""
        self.stopping, self.ended = True, "interrupted"
        self.fleet.wake()

    async def run(self, progress: Callable[[Campaign], Any] | None = None) -> None:
        """Go on until the budget is spent; ``progress`` is an async function that shows how it
        goes.
        """
        self.ended = "done"
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._signals)
                nursery.start_soon(self._clock)
                if progress is not None:
                    nursery.start_soon(progress, self)
                await self.fleet.run(self)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            self.ended = "failed"
            raise foremost(group) from None

    async def _signals(self) -> None:
        """SIGINT and SIGTERM end the run in good order; a second one at once."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async for _ in received:
                if self.ended == "interrupted":
                    raise KeyboardInterrupt
                self.interrupt()

    async def _clock(self) -> None:
        """Wake idle workers at the end of the duration, and note the time that has passed."""
        while True:
            left = NOTE_SECONDS if self.budget.duration_s is None else self.budget.duration_s - self.elapsed_s
            await trio.sleep(min(NOTE_SECONDS, max(left, 0.01)))
            self.store.note_session(self.session, self.elapsed_s, self.executions)
            self.fleet.wake()

    def finish(self) -> dict[str, Any]:
        """Note the end of the run; return the summary."""
        self.store.note_session(self.session, self.elapsed_s, self.executions, self.ended)
        data = summary(self.store, list(self.sites))
        data["ended"] = self.ended
        data["exit_status"] = exit_status(data)
        return data


def plans_of(settings: Settings, budget: Budget) -> list[Plan]:
    """Return a plan per machine: lockstep's, the parallel machine's.

    With both, a quarter of the executions is the parallel machine's.
    """
    machines, left = (
        [
            together
            for name, together in (("lockstep", False), ("parallel", True))
            if settings.machine in (name, "both")
        ],
        budget.executions,
    )
    if len(machines) == 1 or left is None:
        return [Plan(settings, left, budget.workers, together=together) for together in machines]
    together = left // 4
    return [Plan(settings, left - together, budget.workers), Plan(settings, together, 1, together=True)]


def exit_status(data: dict[str, Any]) -> int:
    """Return the exit status that a summary stands for."""
    if data["ended"] == "interrupted":
        return INTERRUPTED
    if data["violations"]:
        return VIOLATED
    if data["worker_deaths"] or data["ended"] == "failed":
        return FAILED
    return CLEAN if data["executions"] > data["inconclusive"] else INCONCLUSIVE


def batch_of(answer: Order, strategy: str) -> Batch:
    """Return the batch that a worker's answer tells of."""
    return Batch(
        executions=answer["executions"],
        steps=answer["steps"],
        inconclusive=answer["inconclusive"],
        busy_s=answer["busy_s"],
        visits=answer["visits"],
        pairs={(first, second): count for first, second, count in answer["pairs"]},
        conflicts={(first, second): count for first, second, count in answer["conflicts"]},
        schedules=answer["schedules"],
        failures=[failure_of(failure, strategy) for failure in answer["failures"]],
        together=answer["together"],
    )


def failure_of(failure: Order, strategy: str) -> Failure:
    """Return a failure from a worker's answer."""
    return Failure(
        signature=failure["signature"],
        checker=failure["checker"],
        title=failure["title"],
        strategy=strategy,
        seed=failure["seed"],
        trace=base64.b64decode(failure["trace"]) if "trace" in failure else None,
        report=failure.get("report", ""),
        environment=failure.get("environment", {}),
        count=failure["count"],
    )


def nondeterminism(order: Order, answer: Order) -> Failure:
    """Return the failure that two differing digests are; its trace is of the second run."""
    case = order["case"]
    name = hashlib.blake2b(f"nondeterminism {case['scenario']} {case['profile']}".encode(), digest_size=4).hexdigest()
    report = (
        f"BUG: nondeterminism in {case['scenario']} on {case['profile']}\n"
        f"  seed {order['seed']}, strategy {order['strategy']}; in one worker {order['digest']}, in another {answer['digest']}\n"
        "  Something besides the tapes decides: iteration over a set, a hash, a clock, an id, or state outside the arena.\n"
    )
    trace = base64.b64decode(answer["trace"])
    return Failure(
        name, "nondeterminism", "nondeterminism", order["strategy"], order["seed"], trace, report, kind="nondeterminism"
    )


def run_campaign(
    directory: Path,
    settings: Settings,
    budget: Budget,
    catalogue: str = DEFAULT_CATALOGUE,
    progress: Callable[[Campaign], Any] | None = None,
) -> dict[str, Any]:
    """Run (or resume) a campaign in ``directory``; return its summary.

    Raises ZapstressError where there is none.
    """
    with Store(directory, settings.plain()) as store:
        campaign = Campaign(store, settings, budget, catalogue)
        trio.run(campaign.run, progress)
        return campaign.finish()
