"""Which strategy the next lease of a case has: shares that follow what finds.

The strategies begin with the shares that are declared with them (PORTFOLIO). From then on a
strategy's share goes by how often its leases of this case have shown anything new, down to a floor,
because no strategy finds everything. Which strategy begins depends on the case, so that each begins
some cases.

All of it follows from the case's number and from what its leases have shown: two plans with the
same history hand out the same leases.
"""

from __future__ import annotations

from collections.abc import Mapping

from stress.rng import WORD_BITS, words
from stress.workers.settings import PORTFOLIO

PRIOR_LEASES = 4
"""How many leases of a case the shares above count as."""

GAIN_MIN = 1 / 16
"""What a strategy that shows nothing is taken to show: its floor."""


class Arm:
    """A strategy on one case: what its leases have shown."""

    def __init__(self, share: float, phase: float) -> None:
        self.share = share
        self.leases = self.news = 0
        self.passed = phase / self.gain
        """The leases that it had, each divided by the gain expected at that time."""

    @property
    def gain(self) -> float:
        """Return how likely its next lease is to show news."""
        return max(GAIN_MIN, (self.share * PRIOR_LEASES + self.news) / (PRIOR_LEASES + self.leases))


class Portfolio:
    """The strategies of one case, whose number draws which of them begins."""

    def __init__(self, number: int, shares: Mapping[str, float] = PORTFOLIO) -> None:
        word = words(number, "portfolio")
        self.arms = {name: Arm(share, word() / (1 << WORD_BITS)) for name, share in shares.items()}

    def next(self) -> str:
        """Return the strategy of the next lease, which it is charged for."""
        name = min(self.arms, key=lambda name: (self.arms[name].passed, name))
        self.arms[name].passed += 1 / self.arms[name].gain
        return name

    def shown(self, name: str, news: bool) -> None:
        """Take note that a lease under strategy ``name`` has shown something new, or nothing."""
        arm = self.arms[name]
        arm.leases += 1
        arm.news += news
