"""The chance of a failure from each step of its trace on: so many continuations at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.execution.signature import signature_of
from stress.strategies.prefix import Prefix

if TYPE_CHECKING:
    from stress.trace.record import Trace
    from stress.workers.causes.attempts import Attempts, Runs

CONTINUATIONS, CONTINUATIONS_PYTHON = 200, 20
"""Continuations from each step, natively and in Python."""


def chances_of(trace: Trace, attempts: Attempts) -> tuple[int, tuple[float, ...]]:
    """Return how many continuations there were from each step, and the share of them that ends with
    the trace's signature after 0, 1, ... of its steps; nothing if the time was up before the last.

    Natively a continuation counts by where it was given up: Python says once, for each check and
    site, which signature that is.
    """
    number = CONTINUATIONS if attempts.native is not None else CONTINUATIONS_PYTHON
    counter = _Counter(trace, attempts)
    found = []
    for step in range(trace.steps):
        if attempts.deadline.over:
            return 0, ()
        found.append(counter.failing(cut(trace.schedule, step), number) / number)
    return number, (*found, 1.0)


class _Counter:
    """Counts the continuations that fail as the trace does."""

    def __init__(self, trace: Trace, attempts: Attempts) -> None:
        self.trace, self.attempts = trace, attempts
        self.signatures: dict[tuple[int, int], str] = {}
        """By check, and site of the last step."""

    def failing(self, head: Runs, number: int) -> int:
        """Return how many of so many continuations of ``head`` fail."""
        strategy, native = Prefix(head, wander=True), self.attempts.native
        self.attempts.deadline.tried += number
        if native is None:
            return sum(self.signature(strategy, seed) == self.trace.ending.signature for seed in range(number))
        native.give(self.trace.tapes)
        found = seed = 0
        while seed < number:
            ran = native.run(strategy, seed, number - seed)
            seed += ran.clean
            if not ran.why:
                break
            where = ran.why, ran.site
            if where not in self.signatures:
                self.signatures[where] = self.signature(Prefix(native.schedule()), seed)
            found += self.signatures[where] == self.trace.ending.signature
            seed += 1
        return found

    def signature(self, strategy: Prefix, seed: int) -> str:
        """Return the signature with which Python ends an execution, or ""."""
        outcome = self.attempts.outcome(strategy, seed, self.trace.tapes)
        return signature_of(outcome) if outcome is not None else ""


def cut(runs: Runs, steps: int) -> list[tuple[int, int]]:
    """Return the runs of the first ``steps`` steps."""
    found: list[tuple[int, int]] = []
    for slot, nr in runs:
        if steps <= 0:
            break
        found.append((slot, min(nr, steps)))
        steps -= nr
    return found
