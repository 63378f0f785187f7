"""How many distinct schedules a campaign has run, counted in bounded memory.

K minimum values (Bar-Yossef et al., RANDOM 2002): of the 63-bit hashes of all schedules keep the
``SKETCH_MAX`` smallest. Below that many the count is exact; above, the hashes being uniform, the
largest one kept tells the density and so the number, with a standard error of 1 / sqrt(SKETCH_MAX -
2), 1.6 %. Sketches merge by union, so each worker keeps its own and sends only what is new in it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

SKETCH_MAX = 4096
HASH_BITS = 63


class Sketch:
    """The smallest hashes seen. Hashes are non-negative integers below 2**63."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self.kept: set[int] = set()
        self._heap: list[int] = []
        for value in hashes:
            self.add(value)

    def add(self, value: int) -> bool:
        """Count ``value``; return whether the sketch has changed."""
        if value in self.kept:
            return False
        if len(self.kept) < SKETCH_MAX:
            heapq.heappush(self._heap, -value)
        elif value < -self._heap[0]:
            self.kept.discard(-heapq.heapreplace(self._heap, -value))
        else:
            return False
        self.kept.add(value)
        return True

    def estimate(self) -> int:
        """Return the number of distinct values added: exact up to SKETCH_MAX, an estimate beyond."""
        if len(self.kept) < SKETCH_MAX:
            return len(self.kept)
        return (SKETCH_MAX - 1) * (1 << HASH_BITS) // max(1, -self._heap[0])
