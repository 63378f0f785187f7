"""Pools of objects (mm/slub.c, v6.9, as far as it matters): a taker gets the lowest free slot.

A pool's shared column holds a bit per slot, set while the slot is taken. Taking a slot is one
atomic step, and so is giving it back. What the slot holds is private to its taker until the taker
publishes the object by a step of its own. Left out: per-CPU slabs, reuse in last-in first-out
order.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.core.arena import Cells, Column, Field
from sim.core.errors import WorldError
from sim.core.machine import Machine

SLOTS_PER_WORD = 62


def words(slots: int) -> int:
    """Return how many words a bitmap of ``slots`` bits takes."""
    return -(-slots // SLOTS_PER_WORD)


def bits(word: int, at: int) -> list[int]:
    """Return the slots that the bits of word number ``at`` stand for, ascending."""
    return [at * SLOTS_PER_WORD + bit for bit in range(SLOTS_PER_WORD) if word >> bit & 1]


def is_taken(bitmap: Cells, slot: int) -> bool:
    """Return whether a slot of a pool is taken; ``bitmap`` is the pool's column."""
    return bool(bitmap[slot // SLOTS_PER_WORD] >> slot % SLOTS_PER_WORD & 1)


def _taking_lowest(full: int) -> Callable[[int], int]:
    """Return the change that sets the lowest clear bit of a word, and leaves a ``full`` one as it
    is.
    """
    return lambda word: word | ~word & word + 1 if word != full else word


class Slab:
    """The pool of ``slots`` objects called ``what``, whose bitmap is the column ``name``.

    Callers name the sites of taking and giving.
    """

    def __init__(self, name: str, slots: int, what: str) -> None:
        self.name, self.slots, self.what = name, slots, what

    def field(self) -> Field:
        """Return the column that the pool needs."""
        return Field(self.name, words(self.slots), bits=min(SLOTS_PER_WORD, self.slots))

    def bind(self, machine: Machine, column: Column) -> None:
        """Take the machine and the column."""
        self.m, self.column = machine, column

    async def take(self, where: int) -> int:
        """Take the lowest free slot and return it. Raises WorldError if there is none."""
        for at in range(len(self.column)):
            full = (1 << min(SLOTS_PER_WORD, self.slots - at * SLOTS_PER_WORD)) - 1
            old = await self.m.rmw(where, self.column, at, _taking_lowest(full))
            if old != full:
                return at * SLOTS_PER_WORD + (~old & old + 1).bit_length() - 1
        raise WorldError(f"the world's {self.slots} {self.what} are all in use: give the scenario's world more")

    async def give(self, where: int, slot: int) -> None:
        """Give a slot back."""
        at, bit = divmod(slot, SLOTS_PER_WORD)
        await self.m.rmw(where, self.column, at, lambda word: word & ~(1 << bit))
