"""Run to completion: the current actor while it can, then the lowest.

What a shrunk trace falls back to.
"""

from __future__ import annotations

from collections.abc import Mapping

FOREVER = 1 << 30


class Strategy:
    """No preemption at all."""

    name = "sequential"
    free = FOREVER

    def start(self, seed: int, slots: int) -> None:
        pass

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        return current if current in enabled else enabled[0]

    def finish(self, steps: int) -> None:
        pass

    def learned(self) -> dict[str, int]:
        return {}

    def recall(self, learned: Mapping[str, int]) -> None:
        pass
