"""Which case is next: the one that has had the least time for its weight.

This is stride scheduling (Waldspurger and Weihl, MIT TM-528, 1995). A pool is cases that have a
share of the time together. The first round opens its cases of rank 0: one parameter set of every
scenario on every profile. Of a pool that the search is aimed at it is the first lap of them, each
scenario on one profile (:mod:`stress.workers.plan.laps`). From then on cases that were never opened
have WIDENING of the pool's time, in the order of rounds, and those that were opened have the rest.
A case's weight is its *promise*: 1 if its last lease showed anything new, and half of what it was
if not, down to PROMISE_MIN.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import chain, takewhile

from stress.case import Case
from stress.workers.plan.portfolio import Portfolio

WIDENING = 0.5
"""The share of a pool's time that cases have which were never opened, as long as there are any."""

PROMISE_MIN = 1 / 8
"""The weight of a case that shows nothing new, beside 1 of one that does."""


@dataclass
class Entry:
    """A case in the plan.

    ``number`` is the store's number of the case, ``rank`` which parameter set of its scenario it
    has, ``lap`` on which of its profiles it is, ``after`` the next unused seed of the case, counted
    from 0.
    """

    case: Case
    number: int
    rank: int
    lap: int
    after: int = 0
    leases: int = 0
    owner: int | None = None
    out: int = 0
    """Leases that are handed out now."""
    hurried: bool = False
    """It is opened before all others."""
    promise: float = 1.0
    passed: float = 0.0
    """Its time, each lease's divided by the weight that the case had then."""
    executions: int = 0
    steps: float = 0.0
    """Of the leases of this run."""
    portfolio: Portfolio | None = None
    """Which strategy is next, if that is asked."""
    rationed: bool = False
    """Its CPUs speculate (:mod:`stress.workers.plan.ration`)."""

    @property
    def need(self) -> tuple[bool, float, int]:
        """What open cases are compared by: the least comes first."""
        return bool(self.out), self.passed, self.number


class Pool:
    """Cases that have one share of a plan's time; ``weight`` is the share, beside other pools', and
    ``aimed`` says whether the search is aimed at them.
    """

    def __init__(self, weight: float, aimed: bool) -> None:
        self.weight, self.aimed = weight, aimed
        self.unopened: deque[Entry] = deque()
        self.opened: list[Entry] = []
        self.spent = self.widened = 0.0
        """The time of all leases, and that of leases that opened a case after the first round."""
        self.is_ready: Callable[[Case], bool] = lambda case: True
        """Whether a case can be executed at full speed by now: of those of a round, these are
        opened first.
        """

    @property
    def empty(self) -> bool:
        """Whether there is no case in it."""
        return not self.unopened and not self.opened

    @property
    def first_round(self) -> bool:
        """Whether a scenario waits to be opened for the first time: on a profile, or anywhere if
        the search is aimed here.
        """
        return bool(self.unopened) and not self.round(self.unopened[0])

    def round(self, entry: Entry) -> int:
        """Return in which round a case is opened, from 0. Where the search is aimed, another
        profile may show as much as another parameter set.
        """
        return entry.rank + entry.lap if self.aimed else entry.rank

    def order(self, entry: Entry) -> tuple[int, int, int]:
        """Return what the cases that were never opened are compared by: the least comes first."""
        return self.round(entry), entry.lap, entry.number

    def entries(self) -> list[Entry]:
        """Return the cases that are in it."""
        return [*self.unopened, *self.opened]

    def add(self, entry: Entry) -> None:
        """Add a case. Those that were never opened are in order; one that was begins where the
        neediest of the others is.
        """
        if entry.leases:
            entry.passed = self._least()
            self.opened.append(entry)
        elif self.unopened and self.order(self.unopened[-1]) > self.order(entry):
            insort(self.unopened, entry, key=self.order)
        else:
            self.unopened.append(entry)

    def hurry(self, entry: Entry) -> None:
        """Have a case opened next, if it is here and was never opened."""
        if entry in self.unopened:
            self.unopened.remove(entry)
            entry.rank = entry.lap = 0
            entry.hurried = True
            self.unopened.appendleft(entry)

    def take_out(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        """Return the cases that are ``wanted``, and have them no more."""
        taken = [entry for entry in self.entries() if wanted(entry)]
        if taken:
            self.unopened = deque(entry for entry in self.unopened if not wanted(entry))
            self.opened = [entry for entry in self.opened if not wanted(entry)]
        return taken

    def has(self, waits: Callable[[Entry], bool]) -> bool:
        """Return whether there is a case that does not wait."""
        return not all(waits(entry) for entry in chain(self.unopened, self.opened))

    def next(self, worker: int, ahead: float, waits: Callable[[Entry], bool]) -> Entry:
        """Return the case of the worker's next lease, of those that do not wait, of which there is
        one: one of its own if they are not ahead of others by more than ``ahead``, of time for
        weight. Opening another case belongs to whoever asks.
        """
        first = next((entry for entry in self.unopened if not waits(entry)), None)
        opened = [entry for entry in self.opened if not waits(entry)]
        if first is not None and (not self.round(first) or not opened or self.widened <= WIDENING * self.spent):
            return self._open(first, waits)
        needy = min(opened, key=_need)
        mine = [entry for entry in opened if entry.owner in (None, worker) and not entry.out]
        found = min(mine, key=_need, default=needy)
        return found if found.passed <= needy.passed + ahead else needy

    def claim(self, numbers: Collection[int]) -> Entry | None:
        """Return the neediest of the cases that have these numbers, or None if none is here."""
        for entry in [entry for entry in self.unopened if entry.number in numbers]:
            self.unopened.remove(entry)
            self._take_up(entry)
        return min((entry for entry in self.opened if entry.number in numbers), key=_need, default=None)

    def _open(self, first: Entry, waits: Callable[[Entry], bool]) -> Entry:
        """Take up the first case that was never opened and does not wait, or rather the first of
        its round that is ready; none comes before one that is in a hurry.
        """
        entry = first
        if not first.hurried:
            same = takewhile(lambda entry: self.round(entry) <= self.round(first), self.unopened)
            entry = next((entry for entry in same if self.is_ready(entry.case) and not waits(entry)), first)
        self.unopened.remove(entry)
        return self._take_up(entry)

    def _take_up(self, entry: Entry) -> Entry:
        """Open a case: it begins where the neediest of the others is."""
        entry.passed = self._least()
        self.opened.append(entry)
        return entry

    def _least(self) -> float:
        return min((entry.passed for entry in self.opened), default=0.0)

    def charge(self, entry: Entry, time: float, widening: bool) -> None:
        """Count time of a lease, or take back some that it was charged too much."""
        self.spent += time
        self.widened += time if widening else 0.0
        entry.passed += time / entry.promise

    def shown(self, entry: Entry, news: bool) -> None:
        """Take note that a lease of the case has shown something new, or nothing."""
        entry.promise = 1.0 if news else max(PROMISE_MIN, entry.promise / 2)


def _need(entry: Entry) -> tuple[bool, float, int]:
    return entry.need
