"""SURW: selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025).

Some steps are of interest: those at one cell. A walk that is uniform over their orders needs to
know how many of them each actor has ahead of it: the actor that makes the next one is drawn by
that. Until it has, others that stand before such a step are held; who goes next is else drawn among
all that are not.

Deviations: the cell, one of those that are contested in this case, is drawn for eight seeds
together, and the counts are those of the execution before, if that had the same cell; actors of
slots from ten up count as if they had one step left. An actor that cannot run when it is wanted
loses its turn once all others are held.
"""

from __future__ import annotations

from collections.abc import Mapping

from stress.rng import WORD_BITS, words
from stress.strategies._contested import CELLS, Contested, hashed

TOGETHER = 7
"""The bits of a seed that have no part in the draw of the cell."""

PACKED, COUNT_BITS = 5, 12
"""Counts that are packed into one word, and the bits of each."""

COUNT_MAX = (1 << COUNT_BITS) - 1


class Surw(Contested):
    """A walk that is uniform over the orders of the steps at one cell."""

    name = "surw"
    free = 0

    def __init__(self) -> None:
        self.contested = self.low = self.high = 0
        self.counted_at = -1

    def start(self, seed: int, slots: int) -> None:
        self.forget()
        self.word = words(seed, "schedule")
        self.cell = self.drawn_cell(seed)
        self.left = [self.counted(slot) for slot in range(slots)]
        self.made = [0 for _ in range(slots)]
        self.intended, self.chosen, self.code = -1, -1, 0

    def drawn_cell(self, seed: int) -> int:
        """Return the hash of the contested cell that this execution is about; -1 if there is none."""
        cells = [cell for cell in range(CELLS) if self.contested >> cell & 1]
        word = words(seed & ~TOGETHER, "cell")
        return cells[word() * len(cells) >> WORD_BITS] if cells else -1

    def counted(self, slot: int) -> int:
        """Return how many steps of interest an actor made in the last execution, if it was about
        the same cell.
        """
        if self.counted_at != self.cell or slot >= 2 * PACKED:
            return 0
        packed = self.low if slot < PACKED else self.high
        return packed >> COUNT_BITS * (slot % PACKED) & COUNT_MAX

    def is_of_interest(self, code: int) -> bool:
        """Return whether a step is one whose order is to be uniform."""
        return code != 0 and hashed(code) == self.cell

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.count()
        if self.intended < 0:
            self.intended = self.by_what_is_left(enabled)
        chosen = self.among(enabled)
        self.chosen, self.code = chosen, self.parked[chosen]
        return chosen

    def count(self) -> None:
        """Take note of the step that was made last."""
        self.note(self.chosen, self.code)
        if self.is_of_interest(self.code):
            self.left[self.chosen] -= self.left[self.chosen] > 0
            self.made[self.chosen] += 1
            self.intended = -1

    def by_what_is_left(self, enabled: list[int]) -> int:
        """Draw an actor by the steps of interest that it has left, at least one."""
        word = self.word
        at = word() * sum(max(1, self.left[slot]) for slot in enabled) >> WORD_BITS
        for slot in enabled:
            at -= max(1, self.left[slot])
            if at < 0:
                return slot
        return enabled[0]

    def among(self, enabled: list[int]) -> int:
        """Draw an actor that is not held; if all are, the wanted one cannot run: want another."""
        word, parked = self.word, self.parked
        free = [slot for slot in enabled if slot == self.intended or not self.is_of_interest(parked[slot])]
        if free:
            return free[word() * len(free) >> WORD_BITS]
        self.intended = self.by_what_is_left(enabled)
        return self.intended

    def finish(self, steps: int) -> None:
        self.count()
        self.low = self.high = 0
        for slot in range(min(len(self.made), 2 * PACKED)):
            count = min(self.made[slot], COUNT_MAX) << COUNT_BITS * (slot % PACKED)
            if slot < PACKED:
                self.low |= count
            else:
                self.high |= count
        self.counted_at = self.cell

    def learned(self) -> dict[str, int]:
        if not self.contested:
            return {}
        return {"contested": self.contested, "at": self.counted_at, "low": self.low, "high": self.high}

    def recall(self, learned: Mapping[str, int]) -> None:
        self.contested, self.counted_at = learned.get("contested", 0), learned.get("at", -1)
        self.low, self.high = learned.get("low", 0), learned.get("high", 0)
