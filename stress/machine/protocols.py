"""What the lockstep machine asks of others, and what it answers: strategies, data tapes, verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sim.core.machine import Violation


class Strategy(Protocol):
    """Chooses who goes next. One object serves many executions."""

    name: str
    free: int
    """How many further steps the chosen actor may make without asking, unless who is enabled
    changes.
    """

    def start(self, seed: int, slots: int) -> None:
        """An execution begins: forget the last one."""

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        """Return one of ``enabled`` (ascending, not empty); ``step`` steps have been made."""

    def finish(self, steps: int) -> None:
        """The execution has ended after ``steps`` steps: learn from it."""


class Tape(Protocol):
    """Where an execution's data choices come from."""

    def draw(self, slot: int, label: str, n: int) -> int:
        """Return a choice in 0..n-1 for the actor in ``slot``."""


@dataclass
class Verdict:
    """How an execution ended: clean, a violation, inconclusive, or a failure of the tool itself."""

    kind: str = "clean"
    violation: Violation | None = None
    reason: str = ""
    error: BaseException | None = field(default=None, repr=False)
