"""Estimates how many distinct values there were, in bounded memory.

K minimum values (Bar-Yossef et al., RANDOM 2002): of the 63-bit hashes of all values keep the
``KEPT_MAX`` smallest. Below that many the count is exact. Above it, as hashes are uniform, the
largest hash kept tells how dense they are, and so how many there are, with a standard error of
1 / sqrt(KEPT_MAX - 2), which is 1.6 %. Two counts merge by the union of what they keep, so each
worker has its own and sends only the hashes that are new in it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

KEPT_MAX = 4096
"""Hashes that are kept: 4,096 of them are 32 KiB in a results directory."""

HASH_BITS = 63
"""Width of a hash: SQLite's integers are signed and have 64 bits."""


class DistinctCount:
    """The smallest hashes seen. Hashes are non-negative integers below 2**63."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self.kept: set[int] = set()
        self._heap: list[int] = []
        for value in hashes:
            self.add(value)

    def add(self, value: int) -> bool:
        """Count ``value``; return whether it is one of the hashes that are kept, and new."""
        if value in self.kept:
            return False
        if len(self.kept) < KEPT_MAX:
            heapq.heappush(self._heap, -value)
        elif value < -self._heap[0]:
            self.kept.discard(-heapq.heapreplace(self._heap, -value))
        else:
            return False
        self.kept.add(value)
        return True

    @property
    def largest(self) -> int:
        """The largest hash kept, or 2**63 - 1 while all are kept."""
        return -self._heap[0] if len(self.kept) == KEPT_MAX else (1 << HASH_BITS) - 1

    def estimate(self) -> int:
        """Return the number of distinct values: exact below KEPT_MAX, an estimate from there on."""
        if len(self.kept) < KEPT_MAX:
            return len(self.kept)
        return (KEPT_MAX - 1) * (1 << HASH_BITS) // max(1, self.largest)
