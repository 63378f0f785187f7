"""Round-robin: one step each in the order of slots, starting with a slot drawn from the seed."""

from __future__ import annotations

from collections.abc import Mapping

from stress.rng import words


class Strategy:
    """As many preemptions as there can be."""

    name = "round-robin"
    free = 0

    def start(self, seed: int, slots: int) -> None:
        self.first = words(seed, "schedule")() % slots

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.free = 1 << 30 if len(enabled) == 1 else 0
        after = current if step else self.first - 1
        return next((slot for slot in enabled if slot > after), enabled[0])

    def finish(self, steps: int) -> None:
        pass

    def learned(self) -> dict[str, int]:
        return {}

    def recall(self, learned: Mapping[str, int]) -> None:
        pass
