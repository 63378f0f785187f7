"""The leases of one machine: ranges of one case's seeds for one worker, bounded by time.

The plan has pools of cases (:mod:`stress.workers.plan.pools`): per geometry, those that the search
is aimed at (:mod:`stress.workers.plan.aim`) and the others. The pool that has had the least time
for its weight is next, then a case of it, then a strategy (:mod:`stress.workers.plan.portfolio`).

A case belongs to the worker that had it first, because opening a case costs as much as dozens of
executions. A worker takes a case of another one when it is far ahead with its own.

Under a budget of executions, executions take the place of time, so that with one worker the leases
are the same on every machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import NamedTuple

from sim.core.profile import REAL, SMALL
from stress.case import Case
from stress.parallel.settings import PROCESSES, why_not_executed
from stress.workers.clock import ACCOUNTS, IDLE, PROVING, SURVEYING, TWINS
from stress.workers.messages import FOREVER_S, Batch, LeaseOrder
from stress.workers.metrics import account_metric
from stress.workers.plan.laps import laps
from stress.workers.plan.pools import Entry, Pool
from stress.workers.plan.portfolio import Portfolio
from stress.workers.plan.ration import Ration, speculates
from stress.workers.settings import LOCKSTEP, PARALLEL, PORTFOLIO_NAME, Settings, beginning

LEASE_SECONDS_SURVEY = 0.05
"""A lease of the first round, and the first of a case that the search is aimed at."""

OPENINGS_MIN, OPENINGS_FIRST = 16, 4
"""A lease lasts at least so many times as long as opening its case took; one of the first round,
and the first one of a case that the search is aimed at, so many times. There are hundreds of the
one and thousands of the other, a minute is to see them all, and one of them shows the mistake.
"""

LEASE_SECONDS_MIN, LEASE_SECONDS_MAX = 0.2, 1.0
"""Any other lease; they double from the shortest to the longest."""

LEASE_SECONDS_EACH = 0.005
"""A lease lasts at least so many times as many seconds as there are workers: whoever hands leases
out, and records what they bring, needs milliseconds for each.
"""

LEASE_COUNT_FIRST, LEASE_COUNT_MAX = 8, 4096
"""The same in executions, under a budget of them; a scenario's first lease on a profile is one."""

LEASE_COUNT_TIMED = 1 << 24
"""More executions than the longest lease has time for. What it leaves is handed out again."""

DOUBLINGS_MAX = 16
"""Leases of a case after which its bounds no longer double: they are at their maxima by then."""

WEIGHTS: Mapping[str, float] = {SMALL: 15, REAL: 1}
"""The geometries' shares of the time, unless --geometry says otherwise."""

AIMED_WEIGHT, OTHER_WEIGHT = 0.8, 0.2
"""The shares of the cases that the search is aimed at, and of the others."""

AHEAD_LEASES_MAX = 2
"""Leases, of the longest, by which a worker may be ahead with its own cases before it serves
others'.
"""

NEWS = ("visits", "pairs", "conflicts")
"""The metrics whose new keys are news: sites, pairs of operations, conflicts of sites. Schedules
are not, as nearly every schedule of a random walk is new.
"""

LEASED = [account_metric(account) for account in ACCOUNTS if account not in (IDLE, PROVING, SURVEYING, TWINS)]
"""The metrics of the time that a lease takes."""


class Progress(NamedTuple):
    """What a results directory holds of a case on one machine."""

    after: int
    """The next unused seed."""
    leases: int = 0
    spent_s: float = 0.0
    executions: int = 0


@dataclass
class Lease:
    """A range of one case's seeds that a worker has in hand. ``first`` is counted from 0.

    What follows ``charged`` is the supervisor's own account of the answers.
    """

    plan: Plan
    pool: Pool
    entry: Entry
    strategy: str
    first: int
    count: int
    slice_s: float
    openings: int
    widening: bool
    """It opens a case after the first round."""
    charged: float = 0.0
    """The time that it was taken to need."""
    done: int = 0
    """So many of the ``count`` executions an answer has told of."""
    spent_s: float = 0.0
    news: bool = False

    def took(self, batch: Batch) -> None:
        """Take note of what an answer brings."""
        self.done += batch.done
        self.spent_s += sum(batch.numbers.get(name, 0.0) for name in LEASED)
        self.news |= self.plan.news(self.entry, batch)
        self.plan.ration.executed += batch.done
        self.entry.executions += batch.done
        self.entry.steps += batch.numbers.get("steps", 0.0)

    def close(self, torn: bool = False) -> None:
        """Give the lease back. Of a torn one, whose worker died, no seed is handed out again."""
        self.plan.close(self, torn)

    def order(
        self,
        *,
        number: int,
        slice_s: float,
        left_s: float,
        twin_every: int = 0,
        stop_on_first: bool = False,
        afresh: bool = False,
        native: bool = False,
    ) -> LeaseOrder:
        """Return the order that has a worker execute the lease; ``number`` is the store's number of
        the lease. The other arguments are the fields of that name.
        """
        return LeaseOrder(
            lease=number,
            number=self.entry.number,
            case=self.entry.case,
            strategy=self.strategy,
            options=self.plan.settings.options,
            machine=self.plan.machine,
            processes=PROCESSES if self.plan.machine == PARALLEL else 0,
            first=self.plan.base + self.first,
            count=self.count,
            slice_s=slice_s,
            openings=self.openings,
            left_s=left_s,
            twin_every=twin_every,
            stop_on_first=stop_on_first,
            afresh=afresh,
            native=native and self.plan.machine == LOCKSTEP,
            shares=self.shares(),
        )

    def shares(self) -> dict[str, float]:
        """Return what measured executions are drawn from: the strategies with their present shares."""
        if self.plan.machine == PARALLEL:
            return {}
        return self.entry.portfolio.weights() if self.entry.portfolio is not None else {self.strategy: 1.0}


class Plan:
    """Hands out the leases of one machine.

    ``executions`` is the budget of this run, or None; ``count_max`` bounds a lease under one.
    """

    def __init__(
        self,
        settings: Settings,
        executions: int | None,
        workers: int,
        count_max: int = LEASE_COUNT_MAX,
        machine: str = LOCKSTEP,
    ) -> None:
        self.settings, self.left, self.workers, self.count_max = settings, executions, workers, count_max
        self.machine = machine
        self.counts = executions is not None
        """Executions take the place of time."""
        self.pools = {
            (aimed, geometry): Pool(weight * (AIMED_WEIGHT if aimed else OTHER_WEIGHT), aimed)
            for aimed in (True, False)
            for geometry, weight in WEIGHTS.items()
        }
        """By whether the search is aimed at their cases, and by geometry; in the order in which
        they are surveyed.
        """
        self.entries: dict[int, Entry] = {}
        """By the store's numbers of their cases."""
        self._repeats: deque[tuple[Lease, int]] = deque()
        """Seeds, each with the lease over which it has ended a worker."""
        self.issued = 0
        self.spent = 0.0
        """The time of all leases, of earlier runs too."""
        self.ration = Ration()
        self._seen: set[tuple[str, str, str]] = set()

    def add(
        self,
        ranks: list[list[Case]],
        numbers: Mapping[Case, int],
        progress: Mapping[tuple[int, str], Progress],
        aimed: Callable[[Case], bool] = lambda case: False,
    ) -> None:
        """Add cases; ``progress`` is what :meth:`Store.resume` returned, ``aimed`` says which cases
        the search is aimed at.
        """
        lap_of, added = laps(ranks), []
        for rank, cases in enumerate(ranks):
            for case in filter(self._takes, cases):
                known = progress.get((numbers[case], self.machine), Progress(self.base))
                entry = Entry(case, numbers[case], rank, lap_of[case], known.after - self.base, known.leases)
                self._account(entry, known.executions)
                if self.machine == LOCKSTEP and self.settings.strategy == PORTFOLIO_NAME:
                    entry.portfolio = Portfolio(entry.number)
                self.entries[entry.number] = entry
                added.append((self.pools[aimed(case), case.geometry], entry, known))
        for pool, entry, known in sorted(added, key=lambda each: each[0].order(each[1])):
            pool.add(entry)
            entry.passed = 0.0
            used = known.executions if self.counts else known.spent_s
            self._charge(pool, entry, used, widening=pool.round(entry) > 0)

    def _takes(self, case: Case) -> bool:
        """Return whether this machine executes a case."""
        return self.machine != PARALLEL or not why_not_executed(case)

    def aim(self, aimed: Callable[[Case], bool], of: Case | None = None) -> None:
        """Take up what is aimed at now: among all cases, or among those that have the scenario and
        the profile of one. Time that was spent stays with the pool that spent it.
        """
        moved: list[tuple[Entry, Pool]] = []
        for (which, geometry), pool in self.pools.items():

            def strays(entry: Entry, which: bool = which) -> bool:
                case = entry.case
                mine = of is None or (case.scenario, case.profile) == (of.scenario, of.profile)
                return mine and aimed(case) != which

            moved += [(entry, self.pools[not which, geometry]) for entry in pool.take_out(strays)]
        for entry, pool in sorted(moved, key=lambda place: place[1].order(place[0])):
            pool.add(entry)

    def hurry(self, number: int) -> None:
        """Open a case next, if it was never opened: it is known to break a rule."""
        if (entry := self.entries.get(number)) is not None:
            for pool in self.pools.values():
                pool.hurry(entry)

    @property
    def base(self) -> int:
        """The seed that a case's first execution on this machine has."""
        return beginning(self.settings.seed, self.machine)

    @property
    def first_round(self) -> bool:
        """Whether the first round goes on: it is of the first pool that has cases."""
        return any(pool.first_round for pool in self._pools()[:1])

    @property
    def exhausted(self) -> bool:
        """Whether the budget is handed out, or no case is left to be sampled."""
        return (self.left is not None and self.left <= 0) or not self._pools()

    def lengths(self) -> dict[tuple[str, str], float]:
        """Return how many steps an execution has, in the mean, by scenario and geometry, of those
        that this run has sampled.
        """
        found: dict[tuple[str, str], list[float]] = {}
        for entry in self.entries.values():
            if entry.executions:
                kind = entry.case.scenario, entry.case.geometry
                found.setdefault(kind, []).append(entry.steps / entry.executions)
        return {kind: mean(lengths) for kind, lengths in found.items()}

    def prefer(self, is_ready: Callable[[Case], bool]) -> None:
        """Open cases that are ready before others of their round."""
        for pool in self.pools.values():
            pool.is_ready = is_ready

    def retire(self, number: int) -> None:
        """Hand out no more leases of a case: it is proved."""
        for pool in self.pools.values():
            pool.take_out(lambda entry: entry.number == number)

    def lease(self, worker: int, among: Collection[int] = ()) -> Lease | None:
        """Return the worker's next lease, or None if the budget is handed out; of a case whose
        number is in ``among``, if any is.
        """
        if self._repeats:
            return self._repeated(*self._repeats.popleft())
        if self.exhausted:
            return None
        pool, entry = self._claimed(among) or self._next(worker)
        if entry.owner is None:
            entry.owner = worker
        count = self._count(entry)
        if entry.rationed:
            count = self.ration.hand_out(count)
        if self.left is not None:
            self.left -= count
        quick = not entry.leases and (pool.aimed or not entry.rank)
        slice_s, openings = self._slice_s(entry, quick), OPENINGS_FIRST if quick else OPENINGS_MIN
        widening = not entry.leases and pool.round(entry) > 0
        lease = Lease(self, pool, entry, self._strategy(entry), entry.after, count, slice_s, openings, widening)
        lease.charged = count if self.counts else slice_s
        self._charge(pool, entry, lease.charged, widening)
        entry.after += count
        entry.leases += 1
        entry.out += 1
        self.issued += 1
        return lease

    def leave(self, worker: int) -> None:
        """A worker is there no more: its cases are whoever's who takes them."""
        for entry in self.entries.values():
            if entry.owner == worker:
                entry.owner = None

    def repeat(self, lease: Lease, seed: int) -> None:
        """Have one seed of a torn lease executed again, next."""
        self._repeats.append((lease, seed - self.base))

    def _repeated(self, torn: Lease, first: int) -> Lease:
        """Return the lease of one seed, counted from 0, of a torn one."""
        lease = Lease(
            self, torn.pool, torn.entry, torn.strategy, first, 1, LEASE_SECONDS_MIN, OPENINGS_MIN, widening=False
        )
        lease.entry.out += 1
        self.ration.rationed += lease.entry.rationed
        return lease

    def _next(self, worker: int) -> tuple[Pool, Entry]:
        """Return the case that is to have the next lease, and its pool."""
        pools = [pool for pool in self._pools() if pool.has(self._waits)]
        if not pools:
            self.ration.ended, pools = True, self._pools()
        pool = self._pool(pools)
        longest = self.count_max if self.counts else max(LEASE_SECONDS_MAX, LEASE_SECONDS_EACH * self.workers)
        return pool, pool.next(worker, AHEAD_LEASES_MAX * longest, self._waits)

    def _waits(self, entry: Entry) -> bool:
        """Return whether a case has had its share for now. What breaks a rule is opened at once."""
        hurried = entry.hurried and not entry.leases
        return entry.rationed and not hurried and not self.ration.allows(self._count(entry))

    def _account(self, entry: Entry, executions: int) -> None:
        """Take note of what earlier runs have made of a case."""
        entry.rationed = speculates(entry.case)
        self.ration.executed += executions
        self.ration.rationed += executions if entry.rationed else 0

    def _claimed(self, numbers: Collection[int]) -> tuple[Pool, Entry] | None:
        """Return one of the cases that have these numbers, and its pool; None if none is planned."""
        for pool in self._pools() if numbers else ():
            if (entry := pool.claim(numbers)) is not None:
                return pool, entry
        return None

    def _slice_s(self, entry: Entry, quick: bool) -> float:
        """Return how many seconds the next lease of a case has. Under a budget of executions no
        time ends it, so that it is the same on every machine.
        """
        if self.counts:
            return FOREVER_S
        least = LEASE_SECONDS_EACH * self.workers
        if quick:
            return max(least, LEASE_SECONDS_SURVEY)
        return max(least, min(LEASE_SECONDS_MAX, LEASE_SECONDS_MIN * 2.0 ** min(entry.leases, DOUBLINGS_MAX)))

    def _count(self, entry: Entry) -> int:
        """Return how many executions the next lease of a case has at most.

        Of a budget no worker gets more than its share of what is left.
        """
        if self.left is None:
            return LEASE_COUNT_TIMED
        first = not entry.leases and not entry.rank
        count = 1 if first else min(self.count_max, LEASE_COUNT_FIRST << min(entry.leases, DOUBLINGS_MAX))
        return min(count, -(-self.left // self.workers))

    def close(self, lease: Lease, torn: bool = False) -> None:
        """Take a lease back; see :meth:`Lease.close`."""
        entry = lease.entry
        entry.out -= 1
        if not torn and entry.after == lease.first + lease.count:
            entry.after = lease.first + lease.done
        if self.left is not None:
            self.left += lease.count - lease.done
        if entry.rationed:
            self.ration.rationed -= lease.count - lease.done
        used = float(lease.done) if self.counts else lease.spent_s
        self._charge(lease.pool, entry, used - lease.charged, lease.widening)
        lease.pool.shown(entry, lease.news)
        if entry.portfolio is not None:
            entry.portfolio.shown(lease.strategy, lease.news, used)

    def news(self, entry: Entry, batch: Batch) -> bool:
        """Return whether a batch shows what no batch before it has shown on the case's profile."""
        shown = {(name, entry.case.profile, key) for name in NEWS for key in batch.counts.get(name, ())}
        known = len(self._seen)
        self._seen |= shown
        return len(self._seen) > known

    def _charge(self, pool: Pool, entry: Entry, time: float, widening: bool) -> None:
        self.spent += time
        pool.charge(entry, time, widening)

    def _pool(self, pools: list[Pool]) -> Pool:
        """Return which of ``pools`` is to have the next lease.

        The real geometry waits until every small scenario has been opened on every profile.
        """
        if self.first_round:
            return pools[0]
        return min(pools, key=lambda pool: pool.spent / pool.weight)

    def _pools(self) -> list[Pool]:
        """Return the pools that have cases."""
        return [pool for pool in self.pools.values() if not pool.empty]

    def _strategy(self, entry: Entry) -> str:
        """Return the strategy of the case's next lease."""
        if self.machine == PARALLEL:
            return PARALLEL
        return entry.portfolio.next() if entry.portfolio is not None else self.settings.strategy
