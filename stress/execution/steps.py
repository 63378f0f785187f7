"""The log in words: for each step its actor, its place in the kernel, its location, and the value
there.

The log keeps one value per step, which is all that a digest needs. A report also shows what the
cell held before: a :class:`Recorder` notes that during a re-run. A campaign has none.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sim.core import pte
from sim.core.arena import WORD, Arena
from sim.core.machine import SiteInfo, site_info
from sim.core.step import (
    LOAD_THROUGH_TLB,
    READ,
    RMW,
    STORE_THROUGH_TLB,
    VERSION_MASK,
    WAIT,
    WRITE,
    cell_of,
    column_of,
    index_of,
    is_wild,
    kind_of,
    place_of,
    tlb_column_of,
    tlb_index_of,
)

if TYPE_CHECKING:
    from stress.execution.finished import Finished

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
    """Listens to a machine (:class:`~stress.machine.protocols.Listener`) and keeps what the cell of
    each step held before and after it.
    """

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.columns = list(arena.columns.values())
        self.changes = array("q")
        """Two words a step: what its cell held before, and after."""
        self._offsets = [arena.layout.offsets[column.name] // WORD for column in self.columns]

    def begin(self) -> None:
        """An execution begins: the arena holds its first state."""
        del self.changes[:]
        self._last: dict[int, int] = {}
        self._start = memoryview(self.arena.snapshot()).cast("q")

    def step(self, code: int, value: int) -> None:
        """Note the change that a step made."""
        self.changes.extend(self._change(code, value))

    def _change(self, code: int, value: int) -> tuple[int, int]:
        kind, field, index, key = kind_of(code), column_of(code), index_of(code), place_of(code)
        if kind in (READ, WAIT) or is_wild(code):
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


def steps(finished: Finished) -> Iterator[Step]:
    """Yield the steps of an execution, in order."""
    at = 0
    for slot, count in finished.turns():
        for number in range(at, at + count):
            yield _decode(finished, number, slot)
        at += count


def step_at(finished: Finished, number: int) -> Step:
    """Return one step, counted from 0."""
    runs = finished.turns()
    ends = list(accumulate(count for _, count in runs))
    run = bisect_right(ends, number)
    return _decode(finished, number, runs[run][0] if run < len(runs) else finished.machine.current)


def _decode(finished: Finished, number: int, slot: int) -> Step:
    code, value = finished.machine.log[2 * number : 2 * number + 2]
    old, new = finished.changes[2 * number : 2 * number + 2] or (value, value)
    column, index = cell_of(code)
    name, kind = finished.arena.layout.fields[column].name, kind_of(code)
    tlb = (
        finished.arena.layout.fields[tlb_column_of(value)].name if kind in (LOAD_THROUGH_TLB, STORE_THROUGH_TLB) else ""
    )
    return Step(
        number + 1,
        code,
        slot,
        finished.actor_name(slot),
        site_info(code),
        kind,
        name,
        index,
        value,
        old,
        new,
        tlb,
    )
