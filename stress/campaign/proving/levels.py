"""How long searching a case to its end is expected to take.

The expectation is a *level*: the length of a slice, each level's FACTOR times as long as that of
the one below. A case that was searched in vain is expected one level above its latest slice. One
that was not tried is expected where most of its like have ended, or are expected to: the same
parameters on other profiles, or else the same scenario with other parameters. Of a scenario of
which nothing is known the length of the executions that were sampled tells how soon it ends at
best; nothing is expected of one that was not sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from statistics import median_low

from stress.case import Case

FIRST_SECONDS, FACTOR, LEVELS = 0.1, 4.0, 6
"""The shortest slice; how many times as long each other is as the one before; how many there are.
What is not finished in the longest, of one and a half minutes, is left to sampling.
"""

SOON_STEPS, SOON_SECONDS, DOUBLING_STEPS = 100, 0.02, 40
"""Of the scenarios with executions of so many steps the smallest space takes about so long, and
twice as long for so many steps more.
"""

Scenario = tuple[str, str]
"""A scenario in a geometry."""
Alike = tuple[str, str, tuple[tuple[str, int], ...]]
"""The same with parameters, on any profile."""


def seconds_of(level: int) -> float:
    """Return how long the slices of a level are."""
    return FIRST_SECONDS * FACTOR**level


def level_of(seconds: float) -> int:
    """Return the lowest level whose slices are so long."""
    return next((level for level in range(LEVELS) if seconds <= seconds_of(level)), LEVELS)


def at_best(length: float) -> int:
    """Return the level at which a case with executions of this length may end."""
    return level_of(SOON_SECONDS * 2.0 ** min((length - SOON_STEPS) / DOUBLING_STEPS, DOUBLING_STEPS))


class Levels:
    """What is expected of each of ``cases``, which have the store's numbers."""

    def __init__(self, cases: Mapping[int, Case]) -> None:
        self.scenarios: dict[int, Scenario] = {n: (case.scenario, case.geometry) for n, case in cases.items()}
        self.alike: dict[int, Alike] = {n: (*self.scenarios[n], case.params) for n, case in cases.items()}
        self.ranks: dict[int, int] = {}
        """Which parameter set of its scenario, on its profile, a case has."""
        counted: dict[tuple[Scenario, str], int] = {}
        for n, case in sorted(cases.items()):
            cell = self.scenarios[n], case.profile
            self.ranks[n] = counted[cell] = counted.get(cell, -1) + 1
        self.lengths: Mapping[Scenario, float] = {}
        """Steps of an execution, of the scenarios that were sampled."""
        self.known: dict[int, int] = {}
        self.of_kind: dict[Scenario | Alike, dict[int, int]] = {}
        self.medians: dict[Scenario | Alike, int] = {}

    def learn(self, number: int, level: int) -> None:
        """Take note that a case has ended at a level, or is expected to."""
        self.known[number] = level
        for kind in (self.scenarios[number], self.alike[number]):
            self.of_kind.setdefault(kind, {})[number] = level
            self.medians[kind] = median_low(self.of_kind[kind].values())

    def is_new(self, number: int) -> bool:
        """Return whether nothing is known of a case's scenario."""
        return self.scenarios[number] not in self.medians

    def level(self, number: int) -> int:
        """Return where a case is expected to end."""
        if number in self.known:
            return self.known[number]
        for kind in (self.alike[number], self.scenarios[number]):
            if kind in self.medians:
                return self.medians[kind]
        length = self.length(number)
        return at_best(length) if length < inf else LEVELS

    def length(self, number: int) -> float:
        """Return how many steps an execution of a case's scenario has; infinitely many, if it was
        not sampled.
        """
        return self.lengths.get(self.scenarios[number], inf)
