"""SURW over the steps at all contested cells together.

As :mod:`stress.strategies.surw`, but what is to be uniform is the order of all steps at cells that
several actors were seen to contend for in this case.
"""

from __future__ import annotations

from stress.strategies.surw import Surw


class SurwContested(Surw):
    """A walk that is uniform over the orders of contested steps."""

    name = "surw-contested"

    def drawn_cell(self, seed: int) -> int:
        """Return the same for every seed: the counts are always those of the last execution."""
        return 0

    def is_of_interest(self, code: int) -> bool:
        """Return whether the step is at a contested cell."""
        return code != 0 and self.is_contested(code)
