"""Run to completion: the current actor while it can, then the lowest.

What a shrunk trace falls back to.
"""

from __future__ import annotations

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
