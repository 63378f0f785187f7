"""POS: partial order sampling (Yuan, Yang, Gu, CAV 2018).

Each step that an actor stands before has a random priority, and the highest enabled one is made.
The priorities of the steps that it conflicts with, and so might have come before it, are then drawn
anew, and that of the actor's next step too. Every partial order of conflicting steps has a chance,
and steps that do not conflict dilute none.

Deviations: an access through a TLB counts as a read of the TLB's cell, as the page is not known
beforehand; the first step of a body, which is made as the body begins, conflicts with nothing.
"""

from __future__ import annotations

from sim.core.step import conflict
from stress.rng import words
from stress.strategies import UNBOUNDED, Strategy


class Pos(Strategy):
    """Partial order sampling."""

    name = "pos"
    free = 0

    def start(self, seed: int, slots: int) -> None:
        self.begin(seed, slots)

    def begin(self, seed: int, slots: int) -> None:
        """Draw a priority for every slot."""
        self.word = words(seed, "schedule")
        word = self.word
        self.priority = [word() for _ in range(slots)]
        self.chosen, self.code = -1, 0

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.redraw()
        self.free = UNBOUNDED if len(enabled) == 1 else 0
        return self.take(self.highest(enabled))

    def redraw(self) -> None:
        """Draw the priorities anew that the step made last has to do with."""
        word, priority, parked = self.word, self.priority, self.parked
        if self.code:
            for slot in range(len(priority)):
                if conflict(self.code, parked[slot]):
                    priority[slot] = word()
        if self.chosen >= 0:
            priority[self.chosen] = word()

    def highest(self, enabled: list[int]) -> int:
        """Return the enabled slot of the highest priority."""
        priority = self.priority
        return max(enabled, key=priority.__getitem__)

    def take(self, slot: int) -> int:
        """Let the actor in ``slot`` make its step."""
        self.chosen, self.code = slot, self.parked[slot]
        return slot
