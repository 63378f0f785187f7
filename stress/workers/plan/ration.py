"""How much of a search is of cases whose CPUs speculate: at most one execution in four.

Other cases are proved and sampled no more, or take longer, so that no order of the cases alone
keeps the share.
"""

from __future__ import annotations

from stress.case import Case
from stress.patch.scenario.staging import SPECULATION

SHARE = 4
"""Of so many executions of a plan, one at most is of a case whose CPUs speculate."""

LEAST = 8
"""A lease that is to be longer waits until it may have so many executions."""


def speculates(case: Case) -> bool:
    """Return whether the CPUs of a case speculate."""
    return dict(case.params).get(SPECULATION, 0) > 0


class Ration:
    """The account of one plan, of the executions that earlier runs have made too."""

    def __init__(self) -> None:
        self.executed = 0
        self.rationed = 0
        """Of cases whose CPUs speculate; those that a lease may still make are in it."""
        self.ended = False
        """There are no other cases any more."""

    @property
    def left(self) -> int:
        """How many executions of cases whose CPUs speculate may be handed out now."""
        return max(0, self.executed // SHARE - self.rationed)

    def allows(self, wanted: int) -> bool:
        """Return whether a lease of ``wanted`` executions of such a case may be handed out now,
        perhaps cut short.
        """
        return self.ended or self.left >= min(LEAST, wanted)

    def hand_out(self, wanted: int) -> int:
        """Return how many executions a lease of such a case has that is to have ``wanted``, and
        take note of it.
        """
        count = wanted if self.ended else min(wanted, max(LEAST, self.left))
        self.rationed += count
        return count
