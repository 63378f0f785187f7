"""Which case gets the next lease: first every scenario on every profile, then the other parameter
sets, then more executions of each.

A lease is a range of one case's seeds for one worker. Every case has had n leases before any has
n + 1. The first lease of a scenario on a profile is one execution, so that a short campaign sees
them all. Later leases are bounded by time: the bound doubles from lease to lease up to
LEASE_SECONDS_MAX. Equal numbers of leases therefore mean equal time, however slow a scenario is.

A case belongs to the worker that had it first, because opening a case costs as much as dozens of
executions. A worker takes a case of another one when its own have had more leases than that case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from sim.core.profile import REAL, SMALL
from stress.case import Case
from stress.parallel.settings import PROCESSES
from stress.workers.messages import LeaseOrder
from stress.workers.settings import LOCKSTEP, PARALLEL, PARALLEL_SEEDS, PORTFOLIO, PORTFOLIO_NAME, SEED_BITS, Settings

LEASE_SECONDS_FIRST, LEASE_SECONDS_MAX = 0.02, 0.5
LEASE_COUNT_FIRST, LEASE_COUNT_MAX = 8, 1 << 16

DOUBLINGS_MAX = 16
"""Leases of a case after which its bounds no longer double: they are at their maxima by then."""

REAL_EVERY = 16
"""One lease in so many is of the real geometry, unless --geometry says otherwise."""

AHEAD_MAX = 1
"""Leases by which a worker may serve its own cases before others that need it more."""

NEED = attrgetter("need")


@dataclass
class Entry:
    """A case in the plan.

    ``number`` is the store's number of the case, ``after`` the next unused seed of the case,
    counted from 0.
    """

    case: Case
    number: int
    rank: int
    after: int = 0
    leases: int = 0
    owner: int | None = None
    out: int = 0
    """Leases that are handed out now."""
    need: tuple[int, int, int] = (0, 0, 0)
    """What cases are compared by: the least comes first."""

    def __post_init__(self) -> None:
        self.weigh()

    def weigh(self) -> None:
        """Compute ``need`` anew."""
        self.need = (self.leases, self.rank, self.out)


@dataclass
class Lease:
    """A range of one case's seeds that a worker has in hand. ``first`` is counted from 0.

    ``done`` is the supervisor's own account: so many of the ``count`` executions an answer has
    told of.
    """

    plan: Plan
    entry: Entry
    strategy: str
    first: int
    count: int
    slice_s: float
    done: int = 0

    def close(self, torn: bool = False) -> None:
        """Give the lease back. Of a torn one, whose worker died, no seed is handed out again."""
        self.plan.close(self, torn)

    def order(
        self,
        *,
        number: int,
        directory: str,
        slice_s: float,
        native: bool = False,
        twin_every: int = 0,
        stop_on_first: bool = False,
        afresh: bool = False,
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
            native=native and self.plan.machine == LOCKSTEP,
            twin_every=twin_every,
            stop_on_first=stop_on_first,
            directory=directory,
            afresh=afresh,
        )


class Plan:
    """Hands out the leases of one machine.

    ``executions`` is the budget of this run, or None; ``count_max`` bounds a lease.
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
        self.lists: dict[str, list[Entry]] = {SMALL: [], REAL: []}
        self.issued = 0

    def add(
        self,
        ranks: list[list[Case]],
        numbers: Mapping[Case, int],
        progress: Mapping[tuple[int, str], tuple[int, int]],
    ) -> None:
        """Add cases; ``progress`` is what :meth:`Store.resume` returned."""
        base = self.base
        for rank, cases in enumerate(ranks):
            for case in cases:
                number = numbers[case]
                after, leases = progress.get((number, self.machine), (base, 0))
                self.lists[case.geometry].append(Entry(case, number, rank, after - base, leases))

    @property
    def base(self) -> int:
        """The seed that a case's first execution on this machine has."""
        return (self.settings.seed << SEED_BITS) + (PARALLEL_SEEDS if self.machine == PARALLEL else 0)

    @property
    def exhausted(self) -> bool:
        """Whether the budget is handed out."""
        return self.left is not None and self.left <= 0

    def lease(self, worker: int) -> Lease | None:
        """Return the worker's next lease, or None if the budget is handed out."""
        if self.exhausted:
            return None
        entry = self._pick(self._turn(), worker)
        if entry.owner is None:
            entry.owner = worker
        count = self._count(entry)
        if self.left is not None:
            self.left -= count
        slice_s = min(LEASE_SECONDS_MAX, LEASE_SECONDS_FIRST * 2.0 ** min(entry.leases, DOUBLINGS_MAX))
        lease = Lease(self, entry, self._strategy(entry), entry.after, count, slice_s)
        entry.after += count
        entry.leases += 1
        entry.out += 1
        entry.weigh()
        self.issued += 1
        return lease

    def _count(self, entry: Entry) -> int:
        """Return how many executions the next lease of a case has at most.

        Of a budget no worker gets more than its share of what is left.
        """
        first = not entry.leases and not entry.rank
        count = 1 if first else min(self.count_max, LEASE_COUNT_FIRST << min(entry.leases, DOUBLINGS_MAX))
        return count if self.left is None else min(count, -(-self.left // self.workers))

    def close(self, lease: Lease, torn: bool = False) -> None:
        """Take a lease back; see :meth:`Lease.close`."""
        entry = lease.entry
        entry.out -= 1
        entry.weigh()
        if not torn and entry.after == lease.first + lease.count:
            entry.after = lease.first + lease.done
        if self.left is not None:
            self.left += lease.count - lease.done

    def _turn(self) -> list[Entry]:
        """Return the cases of the geometry that is to have the next lease.

        The real geometry waits until every small scenario has been executed once.
        """
        small, real = self.lists[SMALL], self.lists[REAL]
        if not small or not real:
            return small or real
        first_round = any(not entry.leases for entry in small if not entry.rank)
        return real if self.issued % REAL_EVERY == REAL_EVERY - 1 and not first_round else small

    def _pick(self, entries: list[Entry], worker: int) -> Entry:
        """Return the case with the fewest leases; one of the worker's own if it is not AHEAD_MAX
        beyond that.
        """
        needy = min(entries, key=NEED)
        mine = [
            entry
            for entry in entries
            if entry.owner in (None, worker) and not entry.out and entry.leases <= needy.leases + AHEAD_MAX
        ]
        return min(mine, key=NEED, default=needy)

    def _strategy(self, entry: Entry) -> str:
        """Return the strategy of the case's next lease."""
        if self.machine == PARALLEL:
            return PARALLEL
        if self.settings.strategy != PORTFOLIO_NAME:
            return self.settings.strategy
        return PORTFOLIO[(entry.leases + entry.number) % len(PORTFOLIO)]
