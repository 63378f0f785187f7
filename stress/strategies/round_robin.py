"""Round-robin: one step each in the order of slots, starting with a slot drawn from the seed."""

from __future__ import annotations

from stress.rng import words
from stress.strategies import UNBOUNDED, Strategy


class RoundRobin(Strategy):
    """As many preemptions as there can be: a turn is one step."""

    name = "round-robin"
    free = 0

    def start(self, seed: int, slots: int) -> None:
        self.first = words(seed, "schedule")() % slots

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.free = UNBOUNDED if len(enabled) == 1 else 0
        after = current if step else self.first - 1
        return next((slot for slot in enabled if slot > after), enabled[0])
