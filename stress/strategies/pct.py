"""PCT: priorities with d - 1 change points (Burckhardt et al., ASPLOS 2010).

Each actor gets a random priority and the highest enabled one runs; at d - 1 distinct random steps
the running actor falls below all others, before its step. A bug of depth d is hit with probability
at least 1/(n k^(d-1)).

Deviations: the depth is drawn per execution from 1 to 6 with falling weight unless it is given; the
length k is estimated as the longest execution seen so far; change points count all steps, not
contested ones only.
"""

from __future__ import annotations

from collections.abc import Mapping

from stress.rng import words
from stress.strategies import UNBOUNDED, Strategy

DEPTHS = (1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)
"""Depths, as often as their weight."""

LENGTH_FIRST = 64
"""The estimate of k before any execution has been seen, in steps."""


class Pct(Strategy):
    """Probabilistic concurrency testing.

    ``depth`` is the d of every execution; 0 draws it anew for each.
    """

    name = "pct"
    free = 0

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.length = LENGTH_FIRST

    def start(self, seed: int, slots: int) -> None:
        word = words(seed, "schedule")
        depth = self.depth or DEPTHS[word() % len(DEPTHS)]
        order = list(range(slots))
        for i in range(slots - 1, 0, -1):
            j = word() % (i + 1)
            order[i], order[j] = order[j], order[i]
        self.priority = [place + depth for place in order]
        points: list[int] = []
        while len(points) < min(depth - 1, self.length - 1):
            point = 1 + word() % (self.length - 1)
            if point not in points:
                points.append(point)
        self.points = sorted(points, reverse=True)
        self.low = depth - 1

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        points, priority = self.points, self.priority
        while points and points[-1] <= step:
            points.pop()
            priority[max(enabled, key=priority.__getitem__)] = self.low
            self.low -= 1
        self.free = points[-1] - step - 1 if points else UNBOUNDED
        return max(enabled, key=priority.__getitem__)

    def finish(self, steps: int) -> None:
        self.length = max(self.length, steps)

    def learned(self) -> dict[str, int]:
        return {"length": self.length}

    def recall(self, learned: Mapping[str, int]) -> None:
        self.length = learned["length"]
