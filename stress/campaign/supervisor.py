"""The supervisor of a campaign: hands out leases, records what comes back, and ends in good order.

Everything that is known is in the results directory (:mod:`stress.campaign.store`). What is in
memory here can be lost at any moment, and a campaign goes on from its directory. A share of the
executions is run a second time in another worker, which has another hash seed: if the digests
differ, something other than the tapes decides, and that is a verdict of its own.
"""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from sim.core.profile import REAL, SMALL
from stress.campaign.code import code_of, digests_of
from stress.campaign.directory import ERROR_TRACE, bytes_of, expect, expected_in
from stress.campaign.errands import Errands
from stress.campaign.results import baseline
from stress.campaign.store import Store
from stress.campaign.summary import exit_status, summary
from stress.campaign.twins import nondeterminism, twin_order
from stress.case import Case
from stress.catalogue import DEFAULT_CATALOGUE, find_catalogue, spec_of
from stress.errors import StorageError
from stress.files import MIB, write_atomically
from stress.native.builder import compile_beside
from stress.native.kernels import KernelKey
from stress.output import detail
from stress.patch.spec import options
from stress.workers.fleet import Fleet, WorkerError, WorkerProcess
from stress.workers.measure.bound import risk
from stress.workers.messages import (
    FOREVER_S,
    Answer,
    Batch,
    Failure,
    LeaseOrder,
    Order,
    ReachAnswer,
    ReachOrder,
    Sites,
    TwinAnswer,
    TwinOrder,
    WorkerFailed,
)
from stress.workers.plan.aim import Change, aim_of
from stress.workers.plan.leases import Lease, Plan, plans_of
from stress.workers.settings import LOCKSTEP, PARALLEL, Settings
from stress.workers.signals import CRASHES, end_when_signalled

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

TWIN_EVERY = 128
"""One execution in so many is run twice."""

TWINS_MAX = 256
"""Executions that may wait for their second run; beyond that no more are chosen."""

PARALLEL_TIME = 0.1
"""With both machines, the parallel machine's share of the time that leases take."""

PARALLEL_SECONDS_MIN = 5.0
"""The parallel machine is started when its share has come to this: starting its processes takes
seconds, which a short campaign has better uses for.
"""

ERRANDS_EVERY = 2
"""One order in so many is an errand, or a lease of a case that an old failure wants executed."""

AT_ONCE = ("interrupted", "found", "full")
"""Ends for which second runs are not waited for."""

MEASURE_EVERY = 10
"""The directory's size, and the risks, are looked at once in so many notes."""

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
    disk_mib_max: int | None = None
    """How large the results directory may become."""
    native: bool = False
    """Have kernels compiled beside the search, and use them where they are there."""
    risk: float | None = None
    """Small enough a risk: when every scenario has come to it on every profile, the run ends."""
    baseline: Path | None = None
    """The directory of a campaign whose signatures are expected from now on."""


class Campaign:
    """One run of a campaign over an open store.

    ``ended`` says how it ended: done, found, full, interrupted or failed.
    """

    def __init__(self, store: Store, settings: Settings, budget: Budget, catalogue: str = DEFAULT_CATALOGUE) -> None:
        self.store, self.settings, self.budget = store, settings, budget
        self.plans = plans_of(settings, budget.executions, budget.workers)
        twin_worker = budget.workers == 1 and budget.twin_every > 0
        self.fleet = Fleet(budget.workers + twin_worker, catalogue, digests_of(settings, find_catalogue(catalogue)))
        self.cases: dict[int, Case] = {}
        """By the store's numbers."""
        self.leases: dict[int, Lease] = {}
        """Those that workers have in hand, by the store's numbers."""
        self.twins: list[deque[TwinOrder]] = [deque() for _ in range(self.fleet.workers)]
        self.twins_out = self.orders = 0
        self.crashed: set[KernelKey] = set()
        """Kernels that are not run natively any more, as a worker has crashed over them."""
        self.stopping = False
        self.ended = "done"
        self.executions = self.steps = self.failures = 0
        self.began = time.monotonic()
        self._prepare(find_catalogue(catalogue))

    def _prepare(self, catalogue: Catalogue) -> None:
        """Expand the cases, and take up what the directory has of them."""
        progress = self.store.resume()
        geometries = (self.settings.geometry,) if self.settings.geometry else (SMALL, REAL)
        sets = [self.settings.ranks(geometry, catalogue) for geometry in geometries]
        numbers = self.store.add_cases(case for ranks in sets for cases in ranks for case in cases)
        self.cases = {number: case for case, number in numbers.items()}
        self.aim = aim_of(self.settings, sets[0], numbers, catalogue, spec_of(catalogue) == DEFAULT_CATALOGUE)
        aimed = self.aim.aimed if self.aim is not None else lambda case: False
        for plan in self.plans:
            for ranks in sets:
                plan.add(ranks, numbers, progress, aimed)
        self.store.begin_session()
        until = None if self.budget.duration_s is None else self.began + self.budget.duration_s
        self.errands = Errands(self.store, self.settings, self.cases, until)

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    def now(self) -> list[Case]:
        """Return the cases that workers are executing."""
        return [self.cases[number] for number, _ in self.fleet.held()]

    # -- the boss of the fleet -------------------------------------------------------------------------------------

    def over(self) -> bool:
        """Return whether nothing is left to be done, in hand or to be handed out."""
        if self.ended in ("interrupted", "full"):
            return not self.leases
        if not self._exhausted() or self.leases or self.errands.left(self._late()):
            return False
        return self.ended == "found" or (not self.twins_out and not any(self.twins))

    def _late(self) -> bool:
        """Return whether the campaign's time has passed."""
        return self.budget.duration_s is not None and self.elapsed_s >= self.budget.duration_s

    def _exhausted(self) -> bool:
        """Return whether no lease will be handed out any more."""
        self.stopping = self.stopping or self._late()
        return self.stopping or all(plan.exhausted for plan in self.plans)

    def order(self, worker: int) -> Order | None:
        """Return a second run if one waits for this worker, else an errand, else a lease."""
        if self.ended not in AT_ONCE and self.twins[worker]:
            self.twins_out += 1
            return self.twins[worker].popleft()
        if worker >= self.budget.workers or self.ended == "interrupted":
            return None
        self.orders += 1
        eager = self._exhausted() or self.orders % ERRANDS_EVERY == 0
        return self.errands.order(worker, self._late(), eager) or self._lease(worker, eager)

    def _lease(self, worker: int, eager: bool) -> Order | None:
        """Return a lease; if ``eager``, of a case that an old failure wants executed."""
        if self._exhausted():
            return None
        if self.aim is not None and (look := self.aim.order(sum(plan.spent for plan in self.plans))) is not None:
            return look
        for plan in self._turns(worker):
            among = self.errands.wanted.get(plan.machine, ()) if eager else ()
            if (lease := plan.lease(worker, among)) is not None:
                return self._hand_out(lease)
        return None

    def _surveyed(self, order: ReachOrder, answer: ReachAnswer) -> None:
        """Take up what was found out of a case."""
        assert self.aim is not None
        change = self.aim.took(order, answer)
        if change is not Change.NONE:
            for plan in self.plans:
                plan.aim(self.aim.aimed, order.case if change is Change.CELL else None)
        if answer.violates:
            self.plans[0].hurry(order.number)

    def _hand_out(self, lease: Lease) -> LeaseOrder:
        """Record a lease, and return the order that has it executed."""
        plan = lease.plan
        first = plan.base + lease.first
        number = self.store.open_lease(lease.entry.number, plan.machine, lease.strategy, first, lease.count)
        self.leases[number] = lease
        left_s = FOREVER_S if self.budget.duration_s is None else self.budget.duration_s - self.elapsed_s
        room = sum(map(len, self.twins)) < TWINS_MAX
        return lease.order(
            number=number,
            directory=str(self.store.directory),
            slice_s=lease.slice_s,
            left_s=left_s,
            native=self._builds and KernelKey.of(lease.entry.case) not in self.crashed,
            twin_every=self.budget.twin_every if room and plan.machine == LOCKSTEP else 0,
            stop_on_first=self.budget.stop_on_first,
        )

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        """Record an answer; return whether the order is carried out. Raises WorkerError."""
        match order, answer:
            case _, WorkerFailed():
                raise WorkerError(answer, self._keep(answer))
            case _, Sites():
                self.store.know_sites(answer.names)
                return False
            case _ if worker in self.errands.out:
                return self.errands.answer(worker, answer)
            case TwinOrder(), TwinAnswer():
                self._compare(order, answer)
                return True
            case ReachOrder(), ReachAnswer():
                self._surveyed(order, answer)
                return True
            case LeaseOrder(), Batch():
                self._record(worker, order, answer)
                return answer.last
            case _:
                raise AssertionError(f"{type(answer).__name__} is no answer to {type(order).__name__}")

    def _keep(self, answer: WorkerFailed) -> str:
        """Keep the trace of what the patch has ended; return how to see it, or ``""``."""
        if answer.trace is None:
            return ""
        path = self.store.directory / ERROR_TRACE
        write_atomically(path, answer.trace)
        return f"; zapstress show {shlex.quote(str(path))}{options(self.settings.patch)}"

    def _record(self, worker: int, order: LeaseOrder, batch: Batch) -> None:
        """Record what a batch has brought; have another worker repeat what is to be repeated."""
        self.store.record(order.lease, batch)
        lease = self.leases[order.lease]
        lease.took(batch)
        self.executions += batch.done
        self.steps += int(batch.numbers.get("steps", 0))
        for death in batch.deaths:
            self.store.died(worker, death.pid, (order.number, death.seed), death.exit_status, 0)
        self.twins[(worker + 1) % len(self.twins)] += [twin_order(order, twin) for twin in batch.twins]
        if batch.failures:
            self.errands.look()
        if batch.last:
            self.leases.pop(order.lease).close()
            self._closed(order, lease.done)
        self._found(batch.failures)

    def _closed(self, order: LeaseOrder, done: int) -> None:
        """See what follows from a lease of which so many seeds were executed."""
        self.errands.follow(order, done)
        if order.number in self.errands.wanted.get(order.machine, ()):
            self.errands.want()

    def died(self, worker: int, order: Order | None, process: WorkerProcess) -> None:
        """Record the death with the seed that the worker held. A seed over which the native core
        has crashed is executed in Python; no other is run again.
        """
        status = process.process.returncode
        held = process.recorder.held if order is not None else None
        self.store.died(worker, process.process.pid, held, status if status is not None else 0, process.unrecorded)
        if worker in self.errands.out:
            self.errands.died(worker)
        elif isinstance(order, TwinOrder):
            self.twins_out -= 1
        elif isinstance(order, LeaseOrder):
            self.store.tear(order.lease)
            lease = self.leases.pop(order.lease)
            lease.close(torn=True)
            if order.native and status is not None and -status in CRASHES:
                self.crashed.add(KernelKey.of(order.case))
                lease.plan.repeat(lease, held[1] if held else order.first)
            self._closed(order, lease.done)

    def _turns(self, worker: int) -> list[Plan]:
        """Return the plans that the worker may serve, the one whose turn it is first.

        With both machines only the first worker serves the parallel one: its processes need the
        cores, and a second worker's would only contend with them.
        """
        if len(self.plans) < 2:
            return self.plans
        if worker:
            return self.plans[:1]
        lockstep, parallel = self.plans
        if parallel.counts:
            due = parallel.issued <= lockstep.issued
        else:
            share_s = PARALLEL_TIME * (lockstep.spent + parallel.spent)
            due = not lockstep.first_round and parallel.spent + PARALLEL_SECONDS_MIN <= share_s
        return [parallel, lockstep] if due else [lockstep, parallel]

    # -- findings --------------------------------------------------------------------------------------------------

    def _found(self, found: Sequence[Failure]) -> None:
        """Count failures; end the run at the first that is not expected if it is to stop there."""
        self.failures += sum(failure.count for failure in found)
        for failure in found:
            if failure.trace is not None:
                detail(f"found {failure.signature} {failure.checker} {failure.title}, seed {failure.seed}")
        if found and self.budget.stop_on_first and self.ended == "done":
            expected = expected_in(self.store.directory)
            if any(failure.signature not in expected for failure in found):
                self.stopping, self.ended = True, "found"
                self.errands.no_more_reductions()
                self.fleet.wake()

    def _compare(self, order: TwinOrder, answer: TwinAnswer) -> None:
        """Compare an execution's two digests."""
        self.twins_out -= 1
        self.store.twin(order.number, order.digest == answer.digest)
        if order.digest != answer.digest:
            failure = nondeterminism(order, answer)
            self.store.fail(order.number, failure)
            self._found([failure])

    # -- a run ---------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Hand out nothing more; what is in hand is finished and recorded."""
        self.stopping, self.ended = True, "interrupted"
        self.fleet.wake()

    async def run(self, progress: Callable[[Campaign], Awaitable[None]] | None = None) -> None:
        """Go on until the budget is spent; ``progress`` is an async function that shows how it
        goes.
        """
        self.ended = "done"
        beside: list[Callable[[], Awaitable[None]]] = [partial(progress, self)] if progress is not None else []
        beside += [self._build] if self._builds else []
        try:
            await self.fleet.run(self, partial(end_when_signalled, self.interrupt), self._clock, *beside)
        except BaseException:
            self.ended = "failed"
            raise

    async def _clock(self) -> None:
        """Wake idle workers at the end of the duration, and note the time that has passed."""
        for note in count():
            left = NOTE_SECONDS if self.budget.duration_s is None else self.budget.duration_s - self.elapsed_s
            await trio.sleep(min(NOTE_SECONDS, max(left, 0.01)))
            self.store.check_in_place()
            if not note % MEASURE_EVERY:
                self._measure()
            self.store.note_session(self.elapsed_s, self.executions, self.steps)
            self.fleet.wake()

    @property
    def _builds(self) -> bool:
        """Whether kernels are compiled: those that the project's own catalogue composes.

        Of a budget of executions what comes does not depend on how fast anything is, so not then.
        """
        mine = self.fleet.catalogue == DEFAULT_CATALOGUE
        timed = self.budget.executions is None and self.settings.machine != PARALLEL
        return self.budget.native and mine and timed

    async def _build(self) -> None:
        """Have the kernels compiled, in the order in which the plan needs them."""
        await compile_beside(self.fleet.catalogue, dict.fromkeys(KernelKey.of(case) for case in self.cases.values()))

    def _measure(self) -> None:
        """End the run if the directory has become too large, or the risks are small enough."""
        most, enough = self.budget.disk_mib_max, self.budget.risk
        if most is not None and bytes_of(self.store.directory) > most * MIB and self.ended == "done":
            self.stopping, self.ended = True, "full"
        if enough is not None and not self.stopping:
            self.stopping = all(risk(blocks) <= enough for blocks in self.store.blocks().values())

    def note_end(self) -> None:
        """Record how the run ended, unless the disk takes no more."""
        with suppress(StorageError):
            self.store.note_session(self.elapsed_s, self.executions, self.steps, self.ended)

    def finish(self) -> dict[str, Any]:
        """Return the summary."""
        if self.aim is not None:
            self.aim.table.save()
        data = summary(self.store)
        data["ended"] = self.ended
        data["exit_status"] = exit_status(data)
        return data


def run_campaign(
    directory: Path,
    settings: Settings,
    budget: Budget,
    catalogue: str = DEFAULT_CATALOGUE,
    progress: Callable[[Campaign], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """Run (or resume) a campaign in ``directory``; return its summary.

    Raises ZapstressError where there is none.
    """
    expected = baseline(budget.baseline) if budget.baseline is not None else {}
    with Store(directory, settings.plain(), code_of(settings, find_catalogue(catalogue))) as store:
        if expected:
            expect(directory, expected | expected_in(directory))
        campaign = Campaign(store, settings, budget, catalogue)
        try:
            trio.run(campaign.run, progress)
        finally:
            campaign.note_end()
        return campaign.finish()
