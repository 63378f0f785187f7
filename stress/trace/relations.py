"""How steps of an execution belong together: which write a read has seen, and who held which lock
from when to when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.core.step import LOAD_THROUGH_TLB, READ, RMW, STORE_THROUGH_TLB, WAIT, WRITE
from stress.execution.steps import Step

WRITING = (WRITE, RMW, STORE_THROUGH_TLB)
READING = (READ, RMW, WAIT, LOAD_THROUGH_TLB)

TAKING, LEAVING = ("lock", "trylock", "down"), ("unlock", "up")
"""What the label of a step that takes a lock, or leaves it, begins with."""


@dataclass(frozen=True)
class ReadsFrom:
    """A step that saw what an earlier step of another actor had written, by their numbers."""

    writer: int
    reader: int
    place: str


@dataclass(frozen=True)
class Hold:
    """A lock that an actor held: from the step that took it to the one that left it.

    ``last`` is the last step of the execution if it was not left.
    """

    lock: str
    slot: int
    first: int
    last: int


def reads_from(made: Iterable[Step]) -> list[ReadsFrom]:
    """Return which steps saw what another actor had written last, in the order of the readers.

    An access through a TLB reads the TLB's cell too.
    """
    written: dict[tuple[str, int], tuple[int, int]] = {}
    found = []
    for step in made:
        places = [(step.column, step.index)] if step.kind in READING else []
        places += [(step.tlb, step.cell)] if step.tlb else []
        for column, index in places:
            slot, number = written.get((column, index), (step.slot, 0))
            if slot != step.slot:
                found.append(ReadsFrom(number, step.number, f"{column}[{index}]"))
        if step.kind in WRITING and (step.kind != RMW or step.old != step.new):
            written[step.column, step.index] = step.slot, step.number
    return found


def holds(made: Iterable[Step]) -> list[Hold]:
    """Return which locks were held, in the order in which they were taken."""
    taken: dict[tuple[str, int], int] = {}
    found: list[Hold] = []
    last = 0
    for step in made:
        last, word, key = step.number, step.site.label.split()[0], (step.place, step.slot)
        if word in TAKING and step.kind in WRITING and step.old != step.new:
            taken.setdefault(key, step.number)
        elif word in LEAVING and key in taken:
            found.append(Hold(step.place, step.slot, taken.pop(key), step.number))
    found += [Hold(lock, slot, first, last) for (lock, slot), first in taken.items()]
    return sorted(found, key=lambda hold: (hold.first, hold.lock))
