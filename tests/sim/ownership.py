"""Watches whether plain accesses are ordered by steps: what the parallel machine takes for granted
(docs/architecture.md).

In lockstep a step and the plain code up to the next one are indivisible. In the parallel machine
they are not, and a recorded run is replayed step for step. So whatever plain code touches must be
ordered by steps that conflict: happens-before, as in FastTrack (Flanagan and Freund, PLDI 2009),
with the steps as the synchronisation. A step publishes what its actor did *before* it; the plain
code that follows it is published by the actor's next step.

A CPU's thread and its hardware live in one process, and count as one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sim.core.arena import MACHINE, Arena
from sim.core.machine import site_info
from sim.core.step import (
    LOAD_THROUGH_TLB,
    READ,
    STORE_THROUGH_TLB,
    WAIT,
    column_of,
    index_of,
    kind_of,
    place_of,
    tlb_place_of,
)

UNSEEN = ("/stress/", "/sim/checks/", "/sim/core/ledger.py", "/sim/kernel.py", "/sim/core/arena.py", "/checks.py")
"""Files whose accesses are no model code: the machine's own, and the checkers', which the parallel
machine runs at rest only.
"""


class Spy:
    """Cells of a column that tell of every access by model code."""

    def __init__(self, cells: memoryview, column: str, watch: Ownership) -> None:
        self.cells, self.column, self.watch = cells, column, watch

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: Any) -> Any:
        self.watch.touched(self, index, write=False)
        found = self.cells[index]
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        self.watch.touched(self, index, write=True)
        self.cells[index] = value

    def __iter__(self) -> Iterator[int]:
        self.watch.touched(self, slice(None), write=False)
        return iter(self.cells)

    def tolist(self) -> list[int]:
        self.watch.touched(self, slice(None), write=False)
        return self.cells.tolist()

    def release(self) -> None:
        self.cells.release()


class Ownership:
    """The happens-before relation of one execution after another.

    ``races`` counts (column, function, other function).
    """

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus
        self.races: dict[tuple[str, str, str], int] = {}
        self.machine: Any = None
        self.on = False

    def spy_on(self, arena: Arena) -> None:
        """Put spies in the columns; before the kernel is bound."""
        for column in arena.columns.values():
            if column.klass != MACHINE:
                column.view = Spy(column.view, column.name, self)  # type: ignore[assignment]

    def listen(self, machine: Any) -> None:
        """Hear of every step of ``machine``."""
        self.machine = machine

        def emit(word: int) -> None:
            machine.log.append(word)
            if len(machine.log) & 1 == 0:
                self.step(machine.log[-2], word)

        machine.emit = emit

    def begin(self) -> None:
        """An execution begins: everybody knows the setup."""
        groups = self.cpus + 1
        self.clocks = [[0] * groups for _ in range(groups)]
        self.written: dict[int, list[int]] = {}
        self.read: dict[int, list[int]] = {}
        self.last_write: dict[tuple[str, int], tuple[int, int, str]] = {}
        self.last_reads: dict[tuple[str, int], dict[int, tuple[int, str]]] = {}
        self.step_writes: dict[tuple[str, int], dict[int, tuple[int, str]]] = {}
        self.step_reads: dict[tuple[str, int], dict[int, tuple[int, str]]] = {}
        self.on = True

    def group(self) -> int:
        slot = int(self.machine.current)
        return slot % self.cpus if slot < 2 * self.cpus else self.cpus

    def step(self, code: int, value: int) -> None:
        """A step has been made: it takes what earlier conflicting ones have published, and
        publishes what its actor did before.
        """
        me = self.group()
        kind = kind_of(code)
        places = [(place_of(code), kind not in (READ, WAIT, LOAD_THROUGH_TLB))]
        if kind in (LOAD_THROUGH_TLB, STORE_THROUGH_TLB):
            places.append((tlb_place_of(value), False))
        clock = self.clocks[me]
        names = self.machine.arena.layout.fields
        for place, writes in places:
            self._stepped((names[column_of(place)].name, index_of(place)), site_info(code).name, writes)
        for place, writes in places:
            for known in (self.written.get(place), self.read.get(place) if writes else None):
                if known is not None:
                    clock[:] = map(max, clock, known)
        for place, writes in places:
            (self.written if writes else self.read)[place] = list(
                map(max, clock, (self.written if writes else self.read).get(place, clock))
            )
        clock[me] += 1

    def _stepped(self, place: tuple[str, int], where: str, write: bool) -> None:
        """A step touches a cell: ordered with other steps by itself, but not with plain accesses."""
        me = self.group()
        clock = self.clocks[me]
        others = [self.last_write[place]] if place in self.last_write else []
        if write:
            others += [(who, when, there) for who, (when, there) in self.last_reads.get(place, {}).items()]
        for who, when, there in others:
            if who != me and clock[who] < when:
                self._race(place, where, there)
        (self.step_writes if write else self.step_reads).setdefault(place, {})[me] = (clock[me], where)

    def touched(self, spy: Spy, index: Any, write: bool) -> None:
        """Model code touches cells."""
        if not self.on:
            return
        frame = sys._getframe(2)
        while frame.f_code.co_name in ("<genexpr>", "<listcomp>") and frame.f_back is not None:
            frame = frame.f_back
        file = frame.f_code.co_filename
        if any(part in file for part in UNSEEN) or frame.f_code.co_name in ("<lambda>", "usable", "walks"):
            return
        where = frame.f_code.co_name
        for cell in range(len(spy.cells))[index] if isinstance(index, slice) else (index,):
            self._touch((spy.column, cell), where, write)

    def _touch(self, place: tuple[str, int], where: str, write: bool) -> None:
        me = self.group()
        clock = self.clocks[me]
        for who, (when, there) in [
            *self.step_writes.get(place, {}).items(),
            *(self.step_reads.get(place, {}).items() if write else ()),
        ]:
            if who != me and clock[who] < when:
                self._race(place, where, there)
        if place in self.last_write:
            who, when, there = self.last_write[place]
            if who != me and clock[who] < when:
                self._race(place, where, there)
        if write:
            for who, (when, there) in self.last_reads.get(place, {}).items():
                if who != me and clock[who] < when:
                    self._race(place, where, there)
            self.last_write[place] = (me, clock[me], where)
            self.last_reads.pop(place, None)
        else:
            self.last_reads.setdefault(place, {})[me] = (clock[me], where)

    def _race(self, place: tuple[str, int], here: str, there: str) -> None:
        key = (place[0], here, there)
        self.races[key] = self.races.get(key, 0) + 1


@contextmanager
def watched(cpus: int) -> Iterator[Ownership]:
    """Yield an Ownership that spies in every arena made meanwhile."""
    found = Ownership(cpus)
    create = Arena.create.__func__  # type: ignore[attr-defined]

    def spied(cls: type[Arena], layout: Any) -> Arena:
        arena: Arena = create(cls, layout)
        for column in arena.columns.values():
            _ = column.array
        found.spy_on(arena)
        return arena

    with patch.object(Arena, "create", classmethod(spied)):
        yield found
