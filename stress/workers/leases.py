"""Which case gets the next lease: breadth first over scenarios and profiles, then parameter sets,
then depth.

Every case has had n leases before any has n + 1. The first lease of a scenario on a profile is one
execution, so that a short campaign sees them all; leases double from there up to LEASE_SECONDS_MAX.
Which is why equal numbers of leases are equal shares of time, whatever the speed of a scenario.

A case belongs to the worker that had it first, as opening it costs as much as dozens of executions;
a worker that is ahead with its own helps with the others'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sim.core.profile import REAL, SMALL
from stress.campaign.store import CaseRow
from stress.case import DEFAULT_KERNEL
from stress.errors import UsageError

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

LEASE_SECONDS_FIRST, LEASE_SECONDS_MAX = 0.02, 0.5
LEASE_COUNT_FIRST, LEASE_COUNT_MAX = 8, 4096

PARALLEL = "parallel"
"""The strategy that leases of the parallel machine have: nobody but the cores decides."""

PARALLEL_SEEDS = 1 << 27
"""Where the seeds of the parallel machine begin in a case: what lockstep does for a seed does not
depend on its share.
"""

PARALLEL_EVERY = 2
"""With both machines, one lease in so many of the first worker is the parallel machine's: a quarter
of two workers' leases.
"""

REAL_EVERY = 16
"""One lease in so many is of the real geometry, unless --geometry says otherwise."""

SEED_BITS = 28
"""An execution's seed is the campaign's seed, shifted so far, and a number that each case counts
up.
"""

SEED_MAX = 1 << 35

AHEAD_MAX = 1
"""Leases by which a worker may serve its own cases before others that need it more."""

NEED = attrgetter("need")

PORTFOLIO = ("random", "pct", "round-robin")
"""What the strategy ``portfolio`` takes in turn, lease by lease: no single one finds everything
(docs/architecture.md).
"""


@dataclass(frozen=True)
class Settings:
    """What a campaign is, as its directory remembers it."""

    seed: int
    scenarios: tuple[str, ...]
    profiles: tuple[str, ...]
    geometry: str | None = None
    """``small``, ``real``, or None: small with a share of real."""
    kernel: str = "6.9"
    faults: tuple[str, ...] = ()
    strategy: str = "portfolio"
    options: dict[str, int] = field(default_factory=dict)
    """The strategy's own, as ``depth`` of pct."""
    machine: str = "lockstep"
    """``lockstep``, ``parallel``, or ``both``."""

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    def case(self, row: CaseRow) -> dict[str, Any]:
        """Return a case as workers want it."""
        return {
            "scenario": row.scenario,
            "params": sorted(row.params.items()),
            "profile": row.profile,
            "geometry": row.geometry,
            "kernel": self.kernel,
            "faults": list(self.faults),
        }


def rows_of(
    scenarios: tuple[str, ...],
    profiles: tuple[str, ...],
    geometry: str,
    catalogue: Catalogue,
    kernel: str = DEFAULT_KERNEL,
) -> list[list[CaseRow]]:
    """Return the cases, in ranks: the first parameter set of every scenario on every profile, then
    the second...
    """
    ranks: list[list[CaseRow]] = []
    for scenario in scenarios:
        cls = catalogue.scenario_class(scenario)
        for profile in profiles:
            for rank, params in enumerate(cls.parameters(catalogue.profile(profile).at(kernel), geometry)):
                while rank >= len(ranks):
                    ranks.append([])
                ranks[rank].append(CaseRow(scenario, profile, geometry, params))
    if not ranks:
        raise UsageError("no scenario is chosen; zapstress list scenarios shows them")
    return ranks


@dataclass
class Entry:
    """A case in the plan.

    ``number`` is the store's, ``after`` the next unused seed of the case, counted from 0.
    """

    row: CaseRow
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
        self.need = (self.leases, self.rank, self.out)


@dataclass(frozen=True)
class Lease:
    """A range of one case's seeds, for one worker. ``first`` is counted from 0."""

    entry: Entry
    strategy: str
    first: int
    count: int
    slice_s: float


class Plan:
    """Hands out leases.

    ``executions`` is the budget of this run, or None; ``count_max`` bounds a lease.
    """

    def __init__(
        self,
        settings: Settings,
        executions: int | None,
        workers: int,
        count_max: int = LEASE_COUNT_MAX,
        together: bool = False,
    ) -> None:
        self.settings, self.left, self.workers, self.count_max = settings, executions, workers, count_max
        self.together = together
        """Whether the leases are the parallel machine's."""
        self.lists: dict[str, list[Entry]] = {SMALL: [], REAL: []}
        self.issued = 0

    def add(
        self, ranks: list[list[CaseRow]], numbers: dict[str, int], progress: dict[tuple[int, bool], tuple[int, int]]
    ) -> None:
        """Add cases; ``progress`` is what :meth:`Store.resume` returned."""
        base = self.base
        for rank, rows in enumerate(ranks):
            for row in rows:
                number = numbers[row.key]
                after, leases = progress.get((number, self.together), (base, 0))
                self.lists[row.geometry].append(Entry(row, number, rank, after - base, leases))

    @property
    def base(self) -> int:
        """The seed that a case's first execution has."""
        return (self.settings.seed << SEED_BITS) + self.together * PARALLEL_SEEDS

    def lease(self, worker: int) -> Lease | None:
        """Return the worker's next lease, or None if the budget is handed out."""
        if self.left is not None and self.left <= 0:
            return None
        entry = self._pick(self._turn(), worker)
        if entry.owner is None:
            entry.owner = worker
        count = min(self.count_max, LEASE_COUNT_FIRST << min(entry.leases, 16)) if entry.leases or entry.rank else 1
        if self.left is not None:
            count = min(count, -(-self.left // self.workers))
            self.left -= count
        slice_s = min(LEASE_SECONDS_MAX, LEASE_SECONDS_FIRST * 2.0 ** min(entry.leases, 8))
        lease = Lease(entry, self._strategy(entry), entry.after, count, slice_s)
        entry.after += count
        entry.leases += 1
        entry.out += 1
        entry.need = (entry.leases, entry.rank, entry.out)
        self.issued += 1
        return lease

    def close(self, lease: Lease, done: int, torn: bool = False) -> None:
        """Take a lease back of which ``done`` seeds are accounted for.

        Of a torn one none is handed out again.
        """
        entry = lease.entry
        entry.out -= 1
        entry.need = (entry.leases, entry.rank, entry.out)
        if not torn and entry.after == lease.first + lease.count:
            entry.after = lease.first + done
        if self.left is not None:
            self.left += lease.count - done

    def _turn(self) -> list[Entry]:
        """Return the geometry's list that is to have the next lease; the real one waits for the
        first round.
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
        if self.together:
            return PARALLEL
        if self.settings.strategy != "portfolio":
            return self.settings.strategy
        return PORTFOLIO[(entry.leases + entry.number) % len(PORTFOLIO)]
