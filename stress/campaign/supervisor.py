"""The supervisor of a campaign: hands out leases, records what comes back, and ends in good order.

Everything that is known is in the results directory (:mod:`stress.campaign.store`). What is in
memory here can be lost at any moment, and a campaign goes on from its directory. A share of the
executions is run a second time in another worker, which has another hash seed: if the digests
differ, something other than the tapes decides, and that is a verdict of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from sim.core.profile import REAL, SMALL
from stress.campaign.code import Code, code_of, digests_of
from stress.campaign.directory import bytes_of, expect, expected_in, keep_error
from stress.campaign.errands import Errands
from stress.campaign.proving.compiled import Compiled
from stress.campaign.proving.orders import Proving
from stress.campaign.results import baseline
from stress.campaign.store import Store
from stress.campaign.summary import exit_status, summary
from stress.campaign.twins import Twins, nondeterminism, twin_order
from stress.case import Case
from stress.catalogue import DEFAULT_CATALOGUE, find_catalogue, spec_of
from stress.errors import StorageError
from stress.files import MIB
from stress.native.kernels import KernelKey
from stress.output import detail
from stress.workers.fleet import DeadWorker, Fleet, WorkerError, Workforce
from stress.workers.measure.bound import risk
from stress.workers.messages import (
    FOREVER_S,
    Answer,
    Batch,
    Failure,
    LeaseOrder,
    Order,
    ProveAnswer,
    ProveOrder,
    ReachAnswer,
    ReachOrder,
    Sites,
    TwinAnswer,
    TwinOrder,
    WorkerFailed,
)
from stress.workers.plan.aim import Change, aim_of
from stress.workers.plan.leases import Lease
from stress.workers.plan.turns import plans_of, turns
from stress.workers.settings import LOCKSTEP, PARALLEL, Budget, Settings
from stress.workers.signals import CRASHES, end_when_signalled

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

ERRANDS_EVERY = 2
"""One order in so many is an errand, or a lease of a case that an old failure wants executed."""

AT_ONCE = ("interrupted", "found", "full")
"""Ends for which second runs are not waited for."""

MEASURE_EVERY = 10
"""The directory's size, and the risks, are looked at once in so many notes."""

NOTE_SECONDS = 1.0
"""How often the directory learns how long the campaign has run."""


class Campaign:
    """One run of a campaign over an open store.

    ``ended`` says how it ended: done, found, full, interrupted or failed.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        budget: Budget,
        catalogue: str = DEFAULT_CATALOGUE,
        crew: Workforce | None = None,
    ) -> None:
        self.store, self.settings, self.budget = store, settings, budget
        self.plans = plans_of(settings, budget.executions, budget.workers)
        twin_worker = budget.workers == 1 and budget.twin_every > 0
        self.fleet = crew or Fleet(
            budget.workers + twin_worker, catalogue, digests_of(settings, find_catalogue(catalogue))
        )
        self.twin_worker = budget.workers if crew is None else None
        """A worker that has no leases: a single one needs another for second runs."""
        self.cases: dict[int, Case] = {}
        """By the store's numbers."""
        self.leases: dict[int, Lease] = {}
        """Those that workers have in hand, by the store's numbers."""
        self.twins = Twins(range(self.fleet.workers))
        self.again: deque[LeaseOrder | ReachOrder] = deque()
        """Orders that were lost on their way, and are handed out again."""
        self.orders = 0
        self.crashed: set[KernelKey] = set()
        """Kernels that are not run natively any more, as a worker has crashed over them."""
        self.native = set[KernelKey]()
        """Kernels that have been run natively."""
        self.stopping, self.met, self.told = False, False, set[str]()
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
        self.compiled = Compiled(catalogue)
        self.proving = Proving(self.store, self.cases, self.plans, self.compiled.has, self.budget.prove_share)
        if self._builds:
            self.plans[0].prefer(lambda case: self.compiled.has(KernelKey.of(case)))

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    @property
    def _left_s(self) -> float:
        """Seconds until the run ends."""
        return FOREVER_S if self.budget.duration_s is None else self.budget.duration_s - self.elapsed_s

    # -- the boss of the fleet -------------------------------------------------------------------------------------

    def over(self) -> bool:
        """Return whether nothing is left to be done, in hand or to be handed out."""
        if self.ended in ("interrupted", "full"):
            return not self.leases
        if not self._exhausted() or self.leases or self.proving.out or self.errands.left(self._late()):
            return False
        return self.ended == "found" or not self.twins.any

    def _late(self) -> bool:
        """Return whether the campaign's time has passed."""
        return self.budget.duration_s is not None and self.elapsed_s >= self.budget.duration_s

    def _exhausted(self) -> bool:
        """Return whether no lease will be handed out any more."""
        self.stopping = self.stopping or self._late()
        return self.stopping or all(plan.exhausted for plan in self.plans)

    def order(self, worker: int) -> Order | None:
        """Return a second run if one waits for this worker, else an errand, else a lease."""
        if self.ended not in AT_ONCE and (twin := self.twins.take(worker)) is not None:
            return twin
        if worker == self.twin_worker or self.ended == "interrupted":
            return None
        if self.again:
            return self.again.popleft()
        self.orders += 1
        eager = self._exhausted() or self.orders % ERRANDS_EVERY == 0
        return self.errands.order(worker, self._late(), eager) or self._prove() or self._lease(worker, eager)

    def _prove(self) -> Order | None:
        """Return a slice of proving, if there is one to be made."""
        if not self._builds or self._exhausted() or self.settings.versus:
            return None
        return self.proving.order(self._left_s)

    def _lease(self, worker: int, eager: bool) -> Order | None:
        """Return a lease; if ``eager``, of a case that an old failure wants executed."""
        if self._exhausted():
            return None
        if self.aim is not None and (look := self.aim.order(sum(plan.spent for plan in self.plans))) is not None:
            return look
        for plan in turns(self.plans, worker):
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
        return lease.order(
            number=number,
            slice_s=lease.slice_s,
            left_s=self._left_s,
            native=self._builds and KernelKey.of(lease.entry.case) not in self.crashed,
            twin_every=self.budget.twin_every if self.twins.room and plan.machine == LOCKSTEP else 0,
            stop_on_first=self.budget.stop_on_first,
        )

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        """Record an answer; return whether the order is carried out. Raises WorkerError."""
        match order, answer:
            case _, WorkerFailed():
                raise WorkerError(answer, keep_error(self.store.directory, answer.trace, self.settings.patch))
            case _, Sites():
                self.store.know_sites(answer.names)
                return False
            case _ if worker in self.errands.out:
                return self.errands.answer(worker, answer)
            case TwinOrder(), TwinAnswer():
                self.twins.done(worker)
                self._compare(order, answer)
                return True
            case ReachOrder(), ReachAnswer():
                self._surveyed(order, answer)
                return True
            case ProveOrder(), ProveAnswer():
                self._found(self.proving.took(order, answer))
                return True
            case LeaseOrder(), Batch():
                self._record(worker, order, answer)
                return answer.last
            case _:
                raise AssertionError(f"{type(answer).__name__} is no answer to {type(order).__name__}")

    def _record(self, worker: int, order: LeaseOrder, batch: Batch) -> None:
        """Record what a batch has brought; have another worker repeat what is to be repeated."""
        self.store.record(order.lease, batch)
        lease = self.leases[order.lease]
        lease.took(batch)
        self.executions += int(batch.numbers.get("executions", 0))
        self.steps += int(batch.numbers.get("steps", 0))
        if batch.numbers.get("native") and (key := KernelKey.of(order.case)) not in self.native:
            self.native.add(key)
            detail(f"native: {key.profile}, {key.kernel}, is executed natively since {self.elapsed_s:.1f} s")
        for death in batch.deaths:
            self.store.died(worker, death.pid, (order.number, death.seed), death.exit_status, 0)
        self.twins.add(worker, [twin_order(order, twin) for twin in batch.twins])
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

    def died(self, worker: int, order: Order | None, dead: DeadWorker) -> None:
        """Record the death with the seed that the worker held. A seed over which the native core
        has crashed is executed in Python; no other is run again.
        """
        held = dead.held if order is not None else None
        self.store.died(worker, dead.pid, held, dead.exit_status, dead.unrecorded)
        if worker in self.errands.out:
            self.errands.died(worker)
        elif isinstance(order, ProveOrder):
            self.proving.died(order)
        elif isinstance(order, TwinOrder):
            self.twins.done(worker)
        elif isinstance(order, LeaseOrder):
            self.store.tear(order.lease)
            lease = self.leases.pop(order.lease)
            lease.close(torn=True)
            if order.native and -dead.exit_status in CRASHES:
                self.crashed.add(KernelKey.of(order.case))
                lease.plan.repeat(lease, held[1] if held else order.first)
            self._closed(order, lease.done)

    # -- the boss of a crew that comes and goes --------------------------------------------------------------------

    def joined(self, worker: int, place: int) -> None:
        """There is a worker more; those at one place are one machine's, or one process's."""
        self.twins.join(worker, place)
        self._crew_changed()

    def left(self, worker: int) -> None:
        """A worker is there no more; it has nothing in hand."""
        self.twins.leave(worker)
        for plan in self.plans:
            plan.leave(worker)
        self._crew_changed()

    def _crew_changed(self) -> None:
        for plan in self.plans:
            plan.workers = max(1, len(self.twins.places))

    def lost(self, worker: int, order: Order) -> None:
        """An order was not carried out, or nobody heard of it: it is handed out again."""
        if worker in self.errands.out:
            self.errands.again(worker)
        elif isinstance(order, ProveOrder):
            self.proving.again(order)
        elif isinstance(order, TwinOrder):
            self.twins.again(worker)
        elif isinstance(order, LeaseOrder | ReachOrder):
            self.again.append(order)

    def give_up_lost(self) -> None:
        """Leave lost leases as they are if nobody will execute them: no seed of them is run again."""
        if self.ended == "interrupted" or (self._late() and not self.twins.places):
            for order in self.again:
                if isinstance(order, LeaseOrder):
                    self.store.tear(order.lease)
                    self.leases.pop(order.lease).close(torn=True)
            self.again.clear()

    # -- findings --------------------------------------------------------------------------------------------------

    def _found(self, found: Sequence[Failure]) -> None:
        """Count failures; end the run at the first that is not expected if it is to stop there."""
        self.failures += sum(failure.count for failure in found)
        for failure in found:
            if failure.trace is not None and failure.signature not in self.told:
                self.told.add(failure.signature)
                detail(f"found {failure.signature} {failure.checker} {failure.title}, seed {failure.seed}")
        if found and self.budget.stop_on_first and self.ended == "done":
            expected = expected_in(self.store.directory)
            if any(failure.signature not in expected for failure in found):
                self.stopping, self.ended = True, "found"
                self.errands.no_more_reductions()
                self.fleet.wake()

    def _compare(self, order: TwinOrder, answer: TwinAnswer) -> None:
        """Compare an execution's two digests."""
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
        self.fleet.kernels = tuple(dict.fromkeys(map(KernelKey.of, self.cases.values()))) if self._builds else ()
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
            self.give_up_lost()
            if not note % MEASURE_EVERY:
                self._measure()
            self.store.note_session(self.elapsed_s, self.executions, self.steps)
            self.fleet.wake()

    @property
    def _builds(self) -> bool:
        """Whether kernels are compiled, in the order in which the plan needs them: those that the
        project's own catalogue composes.

        Of a budget of executions what comes does not depend on how fast anything is, so not then.
        """
        mine = self.fleet.catalogue == DEFAULT_CATALOGUE
        timed = self.budget.executions is None and self.settings.machine != PARALLEL
        return self.budget.native and mine and timed

    def _measure(self) -> None:
        """End the run if the directory has become too large, or the risks are small enough."""
        most, enough = self.budget.disk_mib_max, self.budget.risk
        if most is not None and bytes_of(self.store.directory) > most * MIB and self.ended == "done":
            self.stopping, self.ended = True, "full"
        if enough is not None and not self.stopping:
            self.stopping = self.met = all(risk(blocks) <= enough for blocks in self.store.blocks().values())

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
        if (enough := self.budget.risk) is not None and not self.met:
            data["until_risk"] = {"asked": enough, "above": sum(cell["risk"] > enough for cell in data["coverage"])}
        data["exit_status"] = exit_status(data)
        return data


def run_campaign(
    directory: Path,
    settings: Settings,
    budget: Budget,
    catalogue: str = DEFAULT_CATALOGUE,
    progress: Callable[[Campaign], Awaitable[None]] | None = None,
    crew: Callable[[Code], Workforce] | None = None,
) -> dict[str, Any]:
    """Run (or resume) a campaign in ``directory``; return its summary.

    ``crew`` returns who executes the code of the campaign: by default workers of this machine.
    Raises ZapstressError where there is none.
    """
    expected = baseline(budget.baseline) if budget.baseline is not None else {}
    code = code_of(settings, find_catalogue(catalogue))
    with Store(directory, settings.plain(), code) as store:
        if expected:
            expect(directory, expected | expected_in(directory))
        campaign = Campaign(store, settings, budget, catalogue, crew(code) if crew is not None else None)
        try:
            trio.run(campaign.run, progress)
        finally:
            campaign.note_end()
        return campaign.finish()
