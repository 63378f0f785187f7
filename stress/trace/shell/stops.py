"""Where to stop, and the search for it, forward and back.

A breakpoint stops before a step at its site, a watchpoint behind a step that changed its cell, a
condition in the first state in which it holds. On the way back a stop is in the state before that
step, as in rr.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stress.execution.steps import words
from stress.trace.shell.words import Cell, Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stress.execution.steps import Step
    from stress.trace.shell.film import Film


class Stop(ABC):
    """Something to stop at; ``number`` is what it is called by."""

    number: int

    def before(self, step: Step) -> str:
        """Return why to stop before a step; empty: not."""
        return ""

    def changed(self, film: Film, state: int) -> str:
        """Return why to stop for what has changed since the state before; empty: not."""
        return ""

    @abstractmethod
    def __str__(self) -> str:
        """Return what it stops at."""


@dataclass(frozen=True)
class Breakpoint(Stop):
    """A breakpoint: a site, or all sites of a function."""

    number: int
    site: str

    def before(self, step: Step) -> str:
        return f"breakpoint {self.number}" if self.site in (step.site.name, step.site.function) else ""

    def __str__(self) -> str:
        return f"breakpoint {self.number}: {self.site}"


@dataclass(frozen=True)
class Watchpoint(Stop):
    """A watchpoint: a cell."""

    number: int
    cell: Cell

    def changed(self, film: Film, state: int) -> str:
        column, index = self.cell
        word = film.word(column, index)
        for place, before, after in film.changes(state):
            if place == word:
                step = film.made[state - 1]
                change = f"{words(column, before)} -> {words(column, after)}"
                return f"watchpoint {self.number}: {column}[{index}] {change}, by step {step.number} of {step.actor}"
        return ""

    def __str__(self) -> str:
        return f"watchpoint {self.number}: {self.cell[0]}[{self.cell[1]}]"


def forward(film: Film, start: int, stops: Sequence[Stop]) -> tuple[int, list[str]]:
    """Return the next state to stop in after ``start``, and why; the last one for no reason."""
    for state in range(start + 1, film.last + 1):
        reasons = [stop.changed(film, state) for stop in stops]
        if state < film.last:
            reasons += [stop.before(film.made[state]) for stop in stops]
        if any(reasons):
            return state, list(filter(None, reasons))
    return film.last, []


def backward(film: Film, start: int, stops: Sequence[Stop]) -> tuple[int, list[str]]:
    """Return the state to stop in on the way back from ``start``, and why; the first for no
    reason.
    """
    for state in range(start, 0, -1):
        reasons = [stop.changed(film, state) for stop in stops]
        reasons += [stop.before(film.made[state - 1]) for stop in stops]
        if any(reasons):
            return state - 1, list(filter(None, reasons))
    return 0, []


def until(film: Film, start: int, asked: Sequence[Comparison], values: dict[Cell, int], back: bool) -> int | None:
    """Return the first state after ``start``, or before it, in which all that is ``asked`` holds;
    None if there is none. ``values`` is what its cells hold in ``start``.
    """
    held, places = dict(values), {film.word(*cell): cell for cell in values}
    path = range(start, 0, -1) if back else range(start + 1, film.last + 1)
    for state in path:
        for word, before, after in film.changes(state):
            if word in places:
                held[places[word]] = before if back else after
        if all(one.holds(lambda column, index: held[column, index]) for one in asked):
            return state - 1 if back else state
    return None


def cells_of(asked: Sequence[Comparison]) -> list[Cell]:
    """Return the cells that comparisons are about."""
    return [side for one in asked for side in (one.left, one.right) if not isinstance(side, int)]
