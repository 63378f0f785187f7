"""Which strategy the next lease of a case has: shares that follow what finds.

The strategies begin with the shares that are declared with them (PORTFOLIO). From then on a
strategy's share goes by how often it has shown anything new in this case, for the time that it had.
Each keeps a floor, because no strategy finds everything. Which strategy begins depends on the case,
so that each of the strong ones begins some cases: most cases have a single lease in a minute.

All of it follows from the case's number and from what its leases have shown: two plans with the
same history hand out the same leases.
"""

from __future__ import annotations

from collections.abc import Mapping

from stress.rng import WORD_BITS, words
from stress.workers.settings import PORTFOLIO

PRIOR_LEASES = 4
"""How many leases of a case the shares above count as."""

FLOOR = 0.03
"""The share of the leases that a strategy keeps which shows nothing."""

FLOORS: Mapping[str, float] = {"random": 0.05}
"""The floors of others: the random walk is the baseline, and wants no luck to be right."""


BEGINS = 0.15
"""The share from which on a strategy may have the first lease of a case. The others find what those
miss, but a walk that is made once, in turn or at random, mostly shows what any walk shows.
"""


class Arm:
    """A strategy on one case: what its leases have shown, for what time."""

    def __init__(self, name: str, share: float) -> None:
        self.share, self.floor = share, FLOORS.get(name, FLOOR)
        self.leases = self.news = 0
        self.spent = self.passed = 0.0
        """The time of its leases; and those that it was given, each divided by its weight then."""

    def rate(self, lease: float) -> float:
        """Return how much news it is expected to show in the time of one ``lease``."""
        had = self.spent / lease if lease else self.leases
        return (self.share * PRIOR_LEASES + self.news) / (PRIOR_LEASES + had)


class Portfolio:
    """The strategies of one case, whose number draws which of the strong ones begins."""

    def __init__(self, number: int, shares: Mapping[str, float] = PORTFOLIO) -> None:
        self.arms = {name: Arm(name, share) for name, share in shares.items()}
        self.begun = False
        word = words(number, "portfolio")
        for name, weight in self.weights().items():
            self.arms[name].passed = word() / (1 << WORD_BITS) / weight

    def weights(self) -> dict[str, float]:
        """Return each strategy's share of what comes next: its floor, and of the rest what its rate
        of news is of all.
        """
        arms = self.arms.values()
        leases = sum(arm.leases for arm in arms)
        lease = sum(arm.spent for arm in arms) / leases if leases else 0.0
        rates = {name: arm.rate(lease) for name, arm in self.arms.items()}
        rest, total = 1 - sum(arm.floor for arm in arms), sum(rates.values())
        return {name: arm.floor + rest * rates[name] / total for name, arm in self.arms.items()}

    def next(self) -> str:
        """Return the strategy of the next lease, which it is charged for."""
        waiting = [name for name, arm in self.arms.items() if self.begun or arm.share >= BEGINS]
        self.begun = True
        name = min(waiting, key=lambda name: (self.arms[name].passed, name))
        self.arms[name].passed += 1 / self.weights()[name]
        return name

    def shown(self, name: str, news: bool, spent: float = 0.0) -> None:
        """Take note that a lease under strategy ``name``, which took the time ``spent``, has shown
        something new, or nothing.
        """
        arm = self.arms[name]
        arm.leases += 1
        arm.news += news
        arm.spent += spent
