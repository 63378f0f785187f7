"""Which operations overlapped: pairs of the one that was under way and the one that began beside it
(:mod:`sim.core.operations`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product

from sim.core.operations import OPERATIONS

OVERLAPS = list(product(OPERATIONS, OPERATIONS))
"""The pairs that the cells of the column ``overlaps`` count."""


def pair_name(first: str, second: str) -> str:
    """Return what a pair is called."""
    return f"{first} / {second}"


PAIRS = [pair_name(*pair) for pair in OVERLAPS]
"""The names of all pairs that the model has."""


def missing(seen: Collection[str]) -> list[str]:
    """Return the pairs that are not among those ``seen``."""
    return [pair for pair in PAIRS if pair not in seen]


def words(pairs: Sequence[str]) -> str:
    """Return pairs in words, those together that have the operation in common that was under way:
    ``fork / exit, age; munmap / any``.
    """
    found = []
    for first in OPERATIONS:
        seconds = [second for second in OPERATIONS if pair_name(first, second) in pairs]
        if seconds:
            found.append(pair_name(first, "any" if len(seconds) == len(OPERATIONS) else ", ".join(seconds)))
    return "; ".join(found)
