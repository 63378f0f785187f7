"""Which case is to be searched to its end next, and for how long.

At most a third of the workers' time goes into that, in slices: each case that was sampled has a
short one first, those with the fewest steps per execution before others; what was not finished has
another one, twice as long, once all have had theirs. A slice begins anew, so that what slices waste
is less than the last one takes. What is proved is not sampled any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from stress.campaign.store import Store
from stress.case import Case
from stress.native.compilers import FAST, QUICK
from stress.native.kernels import KernelKey, is_kept, search_file
from stress.native.proofs.result import PROVED
from stress.workers.messages import Failure, ProveAnswer, ProveOrder
from stress.workers.plan.leases import Plan

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

SHARE = 1 / 3
"""Of the workers' time, the largest part that goes into proving."""

FIRST_SECONDS, DOUBLINGS_MAX = 0.5, 8
"""The first slice of a case, and how often it is doubled before the case is left to sampling."""

STEPS_MAX = 400
"""A case whose executions have more steps, in the mean, is not tried."""


class Proving:
    """The proofs of a campaign. ``cases`` are those of the store, by number; ``plans`` have what is
    sampled of them.
    """

    def __init__(self, store: Store, cases: Mapping[int, Case], plans: Sequence[Plan], catalogue: Catalogue) -> None:
        self.store, self.cases, self.plans = store, cases, plans
        self.scenarios = list(catalogue.scenarios())
        self.catalogue = catalogue
        self.slices: dict[int, int] = {}
        """How many each case has had."""
        kinds = store.proofs()
        self.settled: set[int] = set(kinds)
        """Cases that are not tried any more."""
        self.out: set[int] = set()
        self.spent_s = self.promised_s = 0.0
        """What slices took; and what those that are out may take."""
        self.queue: list[int] = []
        self.is_there = cache(self._is_there)
        for number in [number for number, kind in kinds.items() if kind == PROVED]:
            self._retire(number)

    def _retire(self, number: int) -> None:
        """Have a case sampled no more."""
        for plan in self.plans:
            plan.retire(number)

    def order(self, left_s: float) -> ProveOrder | None:
        """Return the next slice, if proving is behind its share; the campaign ends in ``left_s``."""
        others_s = sum(plan.spent for plan in self.plans)
        spent = self.spent_s + self.promised_s
        if spent + FIRST_SECONDS > SHARE * (spent + others_s):
            return None
        if not self.queue:
            self.queue = self._waiting()
        number = next((number for number in self.queue if self._compiled(number)), None)
        if number is None:
            self.queue = []
            return None
        self.queue.remove(number)
        seconds = min(FIRST_SECONDS * 2.0 ** self.slices.get(number, 0), left_s)
        self.slices[number] = self.slices.get(number, 0) + 1
        self.out.add(number)
        self.promised_s += seconds
        directory = str(self.store.directory)
        return ProveOrder(number=number, case=self.cases[number], seconds=seconds, directory=directory)

    def _waiting(self) -> list[int]:
        """Return the cases that may be tried, in their order."""
        means = self.store.steps_of_cases()
        found = [number for number, steps in means.items() if steps <= STEPS_MAX and self._may(number)]
        return sorted(found, key=lambda number: (self.slices.get(number, 0), means[number], number))

    def _may(self, number: int) -> bool:
        idle = number not in self.settled and number not in self.out and number in self.cases
        return idle and self.slices.get(number, 0) <= DOUBLINGS_MAX

    def _compiled(self, number: int) -> bool:
        """Return whether the kernel of a case can make single transitions by now."""
        key = KernelKey.of(self.cases[number])
        if not self.is_there(key):
            self.is_there.cache_clear()
            return False
        return True

    def _is_there(self, key: KernelKey) -> bool:
        files = (search_file(key, self.scenarios, self.catalogue, level) for level in (FAST, QUICK))
        return any(map(is_kept, files))

    def again(self, order: ProveOrder) -> None:
        """A slice was not made, or nobody heard of it."""
        self.out.discard(order.number)
        self.promised_s -= order.seconds

    def died(self, order: ProveOrder) -> None:
        """The worker died that had a slice: the case is left to sampling."""
        self.again(order)
        self.spent_s += order.seconds
        self.settled.add(order.number)

    def took(self, order: ProveOrder, answer: ProveAnswer) -> list[Failure]:
        """Record what came of a slice; return the failure that was found, if one was."""
        self.again(order)
        self.spent_s += answer.seconds
        if not answer.time_was_up:
            self.settled.add(order.number)
        self.store.proved(order.number, answer)
        if answer.kind == PROVED:
            self._retire(order.number)
        return [answer.failure] if answer.failure is not None else []
