"""Explains why no actor can move: a cycle of the wait-for graph, or a wait that nothing ends.

The holder of a lock is read from the lock word (sim/core/machine.py says what it holds); the
machine knows the holders of a rwsem for reading. A plain wait (``Machine.wait``) is for no actor in
particular, so it has no edge in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sim.core.arena import Arena
from sim.core.machine import Actor, Violation, site_info
from sim.core.step import WAIT, column_of, index_of, kind_of

RULE = "locks are taken in one order (mm/rmap.c), and whoever waits is woken"


class Stuck(Protocol):
    """What this module asks of a machine in which no actor can move."""

    arena: Arena
    actors: dict[int, Actor]

    @property
    def started(self) -> Sequence[bool]:
        """Whether the actor in each slot is inside its body."""

    @property
    def parked_at(self) -> Sequence[int]:
        """The code of the step that the actor in each slot stands before."""

    @property
    def readers(self) -> Mapping[int, list[int]]:
        """The slots that hold each rwsem for reading, by the code of its load."""

    def is_finished(self, slot: int) -> bool:
        """Return whether the actor has run its body to the end."""


def explain(machine: Stuck) -> Violation:
    """Return the violation: a deadlock, whose message names the cycle, or a lost wakeup."""
    waiting = [
        slot
        for slot, actor in machine.actors.items()
        if not machine.is_finished(slot) and (machine.started[slot] or not actor.daemon)
    ]
    waits = {slot: holders(machine, slot) for slot in waiting}
    found = cycle(waits)
    named = found or waiting
    sites = sorted((machine.parked_at[slot] for slot in named), key=lambda code: site_info(code).name)
    message = " -> ".join(wait_words(machine, slot) for slot in named)
    return Violation(
        "deadlock",
        "deadlock" if found else "lost-wakeup",
        message,
        sites[0],
        sites[-1],
        [_place(machine, slot) for slot in found],
        RULE,
    )


def _place(machine: Stuck, slot: int) -> tuple[str, int, int]:
    """Return the cell that ``slot`` waits for, and what it holds."""
    code = machine.parked_at[slot]
    name, index = machine.arena.layout.fields[column_of(code)].name, index_of(code)
    return name, index, machine.arena[name][index]


def holders(machine: Stuck, slot: int) -> list[int]:
    """Return the slots that hold the lock for which ``slot`` waits; none if it waits for no lock."""
    if not machine.started[slot] or kind_of(machine.parked_at[slot]) == WAIT:
        return []
    name, index, value = _place(machine, slot)
    readers = machine.readers.get(machine.arena[name].r + index)
    if readers:
        return [reader for reader in readers if reader != slot]
    return [abs(value) - 1] if value else []


def wait_words(machine: Stuck, slot: int) -> str:
    """Return what ``slot`` waits for, in words."""
    actor = machine.actors[slot]
    if not machine.started[slot]:
        return f"{actor.name} has not begun, and waits for {', '.join(f'{col.name}[{i}]' for col, i in actor.gate)}"
    name, index, _ = _place(machine, slot)
    held = ", ".join(machine.actors[holder].name for holder in holders(machine, slot) if holder in machine.actors)
    return f"{actor.name} in {site_info(machine.parked_at[slot]).function} waits for {name}[{index}]" + (
        f" held by {held}" if held else ""
    )


def cycle(waits: dict[int, list[int]]) -> list[int]:
    """Return a cycle of the wait-for graph, or []."""
    for start in waits:
        found = _walk(waits, [start])
        if found:
            return found
    return []


def _walk(waits: dict[int, list[int]], path: list[int]) -> list[int]:
    for onward in waits[path[-1]]:
        if onward in path:
            return path[path.index(onward) :]
        if onward in waits:
            found = _walk(waits, [*path, onward])
            if found:
                return found
    return []
