"""Which cells are contested, learned from one execution of a case to the next.

A cell is contested once two actors have touched it in one execution and one of them has changed it.
Cells are told apart by a hash of 61 values, so that what is learned is one word: some cells are
taken for contested that are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.core.step import COLUMN_MASK, FIELD_SHIFT, INDEX_MASK, writes
from stress.strategies import Strategy

CELLS = 61
"""Values of the hash: bits of a word, and a prime."""


def hashed(code: int) -> int:
    """Return the hash of the cell that a step is at."""
    return ((code >> FIELD_SHIFT & COLUMN_MASK) * 7 + (code & INDEX_MASK)) % CELLS


class Contested(Strategy):
    """A strategy that learns which cells are contested.

    It grants no steps beyond the next one: what an actor does that is left alone has to be seen.
    """

    def __init__(self) -> None:
        self.contested = 0

    def forget(self) -> None:
        """Forget who touched what: an execution begins."""
        self.touched_by = [0 for _ in range(CELLS)]
        self.shared = self.written = 0

    def note(self, slot: int, code: int) -> None:
        """Take note that the actor in ``slot`` has made a step; 0 is none that is known."""
        if not code:
            return
        cell = hashed(code)
        if not self.touched_by[cell]:
            self.touched_by[cell] = slot + 1
        elif self.touched_by[cell] != slot + 1:
            self.shared |= 1 << cell
        if writes(code):
            self.written |= 1 << cell
        self.contested |= self.shared & self.written

    def is_contested(self, code: int) -> bool:
        """Return whether the cell of a step is contested, as far as is known."""
        return self.contested >> hashed(code) & 1 == 1

    def learned(self) -> dict[str, int]:
        return {"contested": self.contested} if self.contested else {}

    def recall(self, learned: Mapping[str, int]) -> None:
        self.contested = learned.get("contested", 0)
