"""Prefix: first what is on a tape, then a random walk, or everybody to their ends.

It follows runs (slot, steps) as far as they can be followed: a run whose actor cannot go on is
over. Shrinking and explaining failures consist of executions of changed tapes, natively too, so
this file is in the native core's subset (docs/native.md). It is no search by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from stress.rng import WORD_BITS, words
from stress.strategies import UNBOUNDED, Strategy


class Prefix(Strategy):
    """Follows ``runs`` of (slot, steps).

    After their end ``wander`` chooses uniformly at every step; without it the current actor goes on
    until it is blocked or has ended, and then the lowest that can.
    """

    name = "prefix"
    free = 0

    def __init__(self, runs: Iterable[tuple[int, int]] = (), wander: bool = False) -> None:
        self.wander = int(wander)
        self.follow(runs)

    def follow(self, runs: Iterable[tuple[int, int]]) -> None:
        """Follow other runs from the next execution on."""
        self.tape = [number for run in runs for number in run]

    def start(self, seed: int, slots: int) -> None:
        self.word = words(seed, "schedule")
        self.at = self.made = self.asked = 0

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        tape = self.tape
        if self.at < len(tape):
            self.made += step - self.asked
        self.asked = step
        while self.at < len(tape) and (self.made >= tape[self.at + 1] or tape[self.at] not in enabled):
            self.at += 2
            self.made = 0
        if self.at < len(tape):
            self.free = tape[self.at + 1] - self.made - 1
            return tape[self.at]
        if self.wander:
            self.free = 0
            return enabled[self.word() * len(enabled) >> WORD_BITS]
        self.free = UNBOUNDED
        return current if current in enabled else enabled[0]
