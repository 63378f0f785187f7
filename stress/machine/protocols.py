"""What a machine asks of others, and what it answers: data tapes, listeners, the verdict.

The strategy that it asks is :class:`stress.strategies.Strategy`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sim.core.machine import Violation


class Tape(Protocol):
    """Where an execution's data choices come from."""

    def draw(self, slot: int, label: str, n: int) -> int:
        """Return a choice in 0..n-1 for the actor in ``slot``."""


class Listener(Protocol):
    """Hears of every step: for reports, which run an execution again. A campaign has none."""

    def begin(self) -> None:
        """An execution begins: the arena holds its first state."""

    def step(self, code: int, value: int) -> None:
        """A step was made; the log has ``code`` and ``value`` of it.

        The cell of a read-modify-write holds the new value by now; that of a plain store may not.
        """


@dataclass
class Verdict:
    """How an execution ended.

    ``kind`` is ``clean``, ``violation``, ``inconclusive`` (a budget ran out), or ``error``: the
    tool, a scenario or a user's component failed, and ``error`` is what was raised.
    """

    kind: str = "clean"
    violation: Violation | None = None
    reason: str = ""
    error: BaseException | None = field(default=None, repr=False)
