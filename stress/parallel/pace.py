"""When the actors of a process give way, so that processes overlap, and differently in each run.

Left to themselves, two processes overlap as the machine's cores happen to let them, and short runs
hardly at all. So each run draws a span, and an actor gives way after at most that many steps: to
another actor of its process, or by letting another process make some steps first. This changes
which interleavings are likely. It does not replay them: the interleaving that results is recorded.

This module decides; :mod:`stress.parallel.machine` acts.
"""

from __future__ import annotations

from typing import NamedTuple

from stress.rng import WORD_BITS, words

SPANS = (1, 2, 4, 8, 16, 64)
"""Steps, at most, between two injected yields, of which each run draws one."""

AHEAD_MAX = 4
"""Steps, at most, that an actor lets another process make first."""

UNPACED_STEPS = 1 << 10
"""Steps that are granted at once where nothing is injected."""


class GiveWay(NamedTuple):
    """What an actor does before its next step."""

    granted: int
    """Steps that it may make after that one without asking again."""
    hand_over: bool
    """It lets the other actors of its process run."""
    other: int
    """The process that it lets go ahead, or its own: then it lets none."""
    steps: int
    """The steps that this process may make first."""


class Pace:
    """The pace of one process; ``process`` is its number among ``processes``."""

    def __init__(self, process: int, processes: int) -> None:
        self.process, self.others = process, processes - 1
        self.processes = processes

    def start(self, seed: int, yields: bool) -> None:
        """Draw the span of a run; without ``yields`` nothing is injected."""
        self.word = words(seed, "pace", 1 + self.process)
        spans = words(seed, "pace")
        self.span = SPANS[spans() * len(SPANS) >> WORD_BITS] if yields else 0

    def decide(self) -> GiveWay:
        """Decide what an actor does that has made the steps it was granted."""
        if not self.span:
            return GiveWay(UNPACED_STEPS, False, self.process, 0)
        word = self.word()
        granted, hand_over, draw = (word & 0xFFFF) % self.span, bool(word >> 16 & 1), word >> 17
        other = self.process
        if self.others:
            other = (self.process + 1 + draw % self.others) % self.processes
        return GiveWay(granted, hand_over, other, 1 + (draw >> 4) % AHEAD_MAX)
