"""Run to completion: the current actor while it can, then the lowest slot."""

from __future__ import annotations

from stress.strategies import UNBOUNDED, Strategy


class Sequential(Strategy):
    """No preemption: an actor gives up its turn only where it must wait, and where it ends."""

    name = "sequential"
    free = UNBOUNDED

    def start(self, seed: int, slots: int) -> None:
        pass

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        return current if current in enabled else enabled[0]
