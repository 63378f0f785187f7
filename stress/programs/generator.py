"""Draws operations: one generator, driven by a function that chooses a number in 0..n-1.

Conformance drives it with the project's own random words, so that a program is its seed; the
scenario storm with its actors' data tapes, so that a trace replays what was drawn; tests with
hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable

from stress.programs.operations import OPERATIONS, Choose, Operation
from stress.programs.space import Space

Weights = dict[str, int]
"""Operation -> how often it is drawn, beside the others."""


def draw_weights(choose: Choose, names: Iterable[str] = tuple(OPERATIONS)) -> Weights:
    """Return the weights of the operations called ``names`` for one program: each its own, or twice
    that.
    """
    return {name: OPERATIONS[name].weight * (1 + choose(2)) for name in names}


def draw_operation(space: Space, who: int, weights: Weights, choose: Choose) -> Operation | None:
    """Draw an operation of thread ``who``; None if what was drawn makes no sense now."""
    at = choose(sum(weights.values()))
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return OPERATIONS[name].draw(space, who, choose)
    raise AssertionError("weights are positive")
