"""Draws operations, driven by a function that chooses a number in 0..n-1.

Three users give it such a function. Conformance has the project's own random words, so that a seed
gives a program. The scenario storm has its actors' data tapes, so that a trace replays what was
drawn. Tests have hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable

from stress.programs.operation import Choose, Operation
from stress.programs.operations import OPERATIONS
from stress.programs.space import Space

Weights = dict[str, int]
"""Name of an operation -> how often it is drawn, relative to the others."""


def draw_weights(choose: Choose, names: Iterable[str] = tuple(OPERATIONS)) -> Weights:
    """Draw the weights of the operations ``names`` for one program: each has its own weight, or
    twice that.
    """
    return {name: OPERATIONS[name].weight * (1 + choose(2)) for name in names}


def draw_operation(space: Space, who: int, weights: Weights, choose: Choose) -> Operation | None:
    """Draw an operation of thread ``who``; None if the kind drawn has none that makes sense now."""
    at = choose(sum(weights.values()))
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return OPERATIONS[name].draw(space, who, choose)
    raise AssertionError("weights are positive")
