"""Decodes steps from the machine's log: who, where in the kernel, which location, and what it
became.

The log keeps one value per step, which is all that a digest needs. What a cell held before and
after is known to a :class:`Recorder` that listens to a re-run; nothing is recorded while a campaign
searches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sim.core import pte
from sim.core.arena import WORD
from sim.core.machine import SiteInfo, site_info
from sim.core.step import (
    LOAD_THROUGH_TLB,
    READ,
    RMW,
    STORE_THROUGH_TLB,
    VERSION_MASK,
    WAIT,
    WRITE,
    column_of,
    index_of,
    kind_of,
    place_of,
    tlb_column_of,
    tlb_index_of,
)
from stress.machine.lockstep import Lockstep

if TYPE_CHECKING:
    from stress.execution.runner import Runner

ENTRY_COLUMNS = ("pte", "tlb", "tlb_span")
"""Columns whose cells are page table entries."""

_FLAGS = (
    (pte.WRITE, "W"),
    (pte.YOUNG, "A"),
    (pte.DIRTY, "D"),
    (pte.UFFD_WP, "U"),
    (pte.CONT, "C"),
    (pte.SPECIAL, "S"),
    (pte.HASHPTE, "H"),
)
_KINDS = {
    pte.KIND_SWAP: "swap slot",
    pte.KIND_MIGRATION: "migration of pfn",
    pte.KIND_MARKER: "marker",
    pte.KIND_DEVICE_PRIVATE: "device-private pfn",
    pte.KIND_HWPOISON: "hwpoison pfn",
}
_LOCKING = ("lock", "unlock", "trylock", "down", "up", "downgrade")


@dataclass(frozen=True)
class Step:
    """One step. ``number`` counts from 1; ``code`` is the log's; ``old`` and ``new`` are what the
    cell held before and after.
    """

    number: int
    code: int
    slot: int
    actor: str
    site: SiteInfo
    kind: int
    column: str
    index: int
    value: int
    old: int
    new: int
    tlb: str = ""
    """The TLB that an access went through."""

    @property
    def place(self) -> str:
        """The location, as ``column[index]``."""
        return f"{self.column}[{self.index}]"

    @property
    def cell(self) -> int:
        """The cell of the TLB that an access went through."""
        return tlb_index_of(self.value)

    def touches(self, column: str, index: int) -> bool:
        """Return whether the step is on that location."""
        return (self.column == column and self.index == index) or (self.tlb == column and self.cell == index)

    def effect(self) -> str:
        """Return what the step found or did at its location."""
        if self.tlb:
            return f"pfn {self.index} version {self.value & VERSION_MASK} through {self.tlb}[{self.cell}]"
        if self.site.label.split()[0] in _LOCKING and self.kind in (WRITE, RMW):
            return (
                self.place
                if self.new != self.old or self.kind == WRITE
                else f"{self.place}, held by slot {abs(self.new) - 1}"
            )
        if self.kind in (READ, WAIT) or self.old == self.new:
            return f"{self.place} = {words(self.column, self.new)}"
        return f"{self.place} {words(self.column, self.old)} -> {words(self.column, self.new)}"


def words(column: str, value: int) -> str:
    """Return a cell's value as a kernel engineer would say it."""
    return entry_words(value) if column in ENTRY_COLUMNS else str(value)


def entry_words(entry: int) -> str:
    """Return a page table or TLB entry in words: ``pfn 3 WAD``, ``swap slot 2``, ``none``."""
    if not entry:
        return "none"
    flags = "".join(letter for bit, letter in _FLAGS if entry & bit)
    if entry & pte.PRESENT:
        return f"pfn {pte.pte_pfn(entry)} {flags}".rstrip()
    return f"{_KINDS.get(entry & pte.KIND_MASK, 'entry')} {pte.pte_pfn(entry)} {flags}".rstrip()


class Recorder:
    """Listens to ``machine``: for each step, what its cell held before and after."""

    def __init__(self, machine: Lockstep) -> None:
        self.machine = machine
        self.columns = list(machine.arena.columns.values())
        self.changes: list[tuple[int, int]] = []
        self._offsets = [machine.arena.layout.offsets[column.name] // WORD for column in self.columns]
        machine.emit = self._emit

    def begin(self) -> None:
        """An execution begins: the arena holds its first state."""
        self.changes.clear()
        self._last: dict[int, int] = {}
        self._start = memoryview(self.machine.arena.snapshot()).cast("q")

    def _emit(self, word: int) -> None:
        log = self.machine.log
        log.append(word)
        if len(log) & 1 == 0:
            self.changes.append(self._change(log[-2], word))

    def _change(self, code: int, value: int) -> tuple[int, int]:
        kind, field, index, key = kind_of(code), column_of(code), index_of(code), place_of(code)
        if kind in (READ, WAIT):
            self._last[key] = value
            return value, value
        old = self._last.get(key)
        if old is None:
            old = self._start[self._offsets[field] + index]
        new = self.columns[field].view[index] if kind == RMW else value
        if kind in (LOAD_THROUGH_TLB, STORE_THROUGH_TLB):
            new = value & VERSION_MASK
        self._last[key] = new
        return old, new


def steps(runner: Runner) -> Iterator[Step]:
    """Yield the steps of the latest execution, in order."""
    at = 0
    for slot, count in runner.machine.schedule():
        for number in range(at, at + count):
            yield _decode(runner, number, slot)
        at += count


def step_at(runner: Runner, number: int) -> Step:
    """Return one step, counted from 0."""
    runs = runner.machine.schedule()
    ends = list(accumulate(count for _, count in runs))
    run = bisect_right(ends, number)
    return _decode(runner, number, runs[run][0] if run < len(runs) else runner.machine.current)


def _decode(runner: Runner, number: int, slot: int) -> Step:
    code, value = runner.machine.log[2 * number : 2 * number + 2]
    changes = runner.recorder.changes if runner.recorder is not None else []
    old, new = changes[number] if number < len(changes) else (value, value)
    name = runner.arena.layout.fields[column_of(code)].name
    kind, index = kind_of(code), index_of(code)
    tlb = runner.arena.layout.fields[tlb_column_of(value)].name if kind in (LOAD_THROUGH_TLB, STORE_THROUGH_TLB) else ""
    return Step(
        number + 1,
        code,
        slot,
        actor_name(runner, slot),
        site_info(code),
        kind,
        name,
        index,
        value,
        old,
        new,
        tlb,
    )


def actor_name(runner: Runner, slot: int) -> str:
    """Return how an actor is called in reports: a thread with its CPU, a service by its name."""
    actor = runner.machine.actors[slot]
    return actor.name if actor.daemon else f"cpu{slot} {actor.name}"
