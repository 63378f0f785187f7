"""The arena: one shared-memory block that holds every bit of model state (law L1).

A :class:`Layout` is computed from the fields that the components declare; an :class:`Arena` is a
block with that layout. Every cell is a signed 64-bit word, so a column is a plain ``memoryview``
for steps and a plain numpy array for audits, and a restore is one copy.

The block starts with the *model* region (fields of class shared and private), which equality and
hashes speak of; the *machine* region behind it holds what the tester adds: ledgers, stamps,
counters of checkers.

The block is a memfd: it has no name, so nothing can stay behind in /dev/shm whatever kills
whichever process. Another process attaches by inheriting or receiving the descriptor.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.core.errors import ArenaError
from sim.core.step import FIELD_SHIFT, KIND_SHIFT, READ, RMW, WRITE

if TYPE_CHECKING:
    import numpy as np

WORD = 8
MAGIC = b"ZAPARENA1\n"

SHARED, PRIVATE, MACHINE = "shared", "private", "machine"

_READ, _WRITE, _RMW = READ << KIND_SHIFT, WRITE << KIND_SHIFT, RMW << KIND_SHIFT

Cells = memoryview
"""The words of a column, as steps use them."""

Watch = Callable[[int, int, int, int], None]
"""Called with (index, old, new, holder) in the very step that changed a cell."""


SPIN, TRIED, RWSEM = "spin", "tried", "rwsem"
"""Kinds of locks. SPIN: every taker waits. TRIED: some takers only try, and go on without it.
RWSEM: it has readers and a writer. What the cells hold: :class:`sim.core.machine.Machine`.
"""


CHANGE, MOMENT, OWN_MOMENT, WHO = "change", "moment", "own moment", "who"
SECTION, INSIDE = "section", "inside"
"""What of a cell decides. A CHANGE is the step of a change and who made it, a MOMENT the step that
changes are compared with. A SECTION is how many sections a CPU has left, and INSIDE one more than
that was, or 0.
"""


@dataclass(frozen=True)
class Field:
    """The declaration of a column: ``count`` cells called ``name``, and what their values are.

    Code that treats some columns in a way of its own finds them by these facts, never by a list of
    names.
    """

    name: str
    count: int
    klass: str = SHARED
    lock: str = ""
    """Which kind of lock each cell is: SPIN, TRIED or RWSEM; none if empty."""
    waitable: bool = False
    """Actors wait for a cell to change (:meth:`sim.core.machine.Machine.wait`, or a gate)."""
    stamp: bool = False
    """The cells hold step numbers or sites of the running execution, so that they mean nothing in
    the next (:meth:`sim.kernel.Kernel.settle`).
    """
    decides: str = ""
    """What a verdict depends on, if not on the whole value. Of step numbers: CHANGE and MOMENT,
    whether a change came after a moment; OWN_MOMENT, whether a change made by the actor that the
    cell belongs to did; WHO, the actor that is noted beside the number. Of counted sections:
    SECTION and INSIDE, whether the section in which something was noted is still the CPU's. Empty,
    for a stamp: nothing, it only names the accused.
    """
    statistic: bool = False
    """The cells count what the tester reports; nothing that the model does depends on them."""
    equality: str = ""
    """What the values name, if nothing is asked of them but whether two are equal: ``content`` for
    versions of a page's content, ``page`` and ``table`` for generations. Columns with the same word
    are compared with each other. 0 is a value like any other.
    """
    bits: int = 0
    """How many bits hold every value that the column has in an execution without a violation; no
    value is negative. 0: no bound is known, or values may be negative.
    """
    word: int = 64
    """The size in bits of a signed word that is wide enough, where no ``bits`` are known: that of
    the kernel's own type. Asked where memory counts, as in the native core's plain mode.
    """
    of_page: bool = False
    """A word of struct page, by page: nobody has to do with it while the page is free."""


def alike(names: Iterable[str], count: int, klass: str = SHARED, **facts: Any) -> list[Field]:
    """Declare a column of each name, all alike; ``facts`` are the further attributes of a Field."""
    return [Field(name, count, klass, **facts) for name in names]


def bits_for(largest: int) -> int:
    """Return how many bits hold the numbers from 0 to ``largest``; at least one."""
    return max(1, largest.bit_length())


class Layout:
    """Offsets of every field: model region first, machine region after it."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields = sorted(fields, key=lambda f: f.klass == MACHINE)
        names = [f.name for f in self.fields]
        if len(set(names)) != len(names):
            raise ArenaError(f"field declared twice: {sorted(n for n in names if names.count(n) > 1)[0]}")
        self.offsets: dict[str, int] = {}
        at = 0
        self.model_bytes = 0
        for field in self.fields:
            self.offsets[field.name] = at
            at += field.count * WORD
            if field.klass != MACHINE:
                self.model_bytes = at
        self.bytes = max(at, WORD)

    def describe(self) -> list[list[object]]:
        """Return the layout as plain data, for a dump's header."""
        return [[f.name, f.count, f.klass] for f in self.fields]


def in_turn(first: Watch, second: Watch) -> Watch:
    """Return the watch that tells two others."""

    def told(i: int, old: int, new: int, holder: int) -> None:
        first(i, old, new, holder)
        second(i, old, new, holder)

    return told


Look = Callable[[int], None]
"""Told of the index of a cell that a step reads."""


def looks_in_turn(first: Look, second: Look) -> Look:
    """Return the look that tells two others."""

    def told(i: int) -> None:
        first(i)
        second(i)

    return told


class Column:
    """One field of one arena.

    ``view`` holds the words; ``r``, ``w`` and ``x`` are the step codes of a load, a store and a
    read-modify-write of cell 0 (add the index and the site); ``watch``, if set, is told of every
    change made by a step.
    """

    __slots__ = ("_array", "array_of", "count", "field", "id", "klass", "look", "name", "r", "view", "w", "watch", "x")

    def __init__(
        self, field: Field, number: int, view: memoryview, array_of: Callable[[], np.ndarray[Any, Any]]
    ) -> None:
        self.field, self.name, self.count, self.klass, self.id = field, field.name, field.count, field.klass, number
        self.view = view
        self.array_of = array_of
        self._array: np.ndarray[Any, Any] | None = None
        base = number << FIELD_SHIFT
        self.r, self.w, self.x = base | _READ, base | _WRITE, base | _RMW
        self.watch: Watch | None = None
        self.look: Look | None = None
        """Called with the index in the very step that reads a cell, by a load or a wait."""

    def observe(self, watch: Watch, first: bool = False) -> None:
        """Have ``watch`` told of every change that a step makes: after whatever is told already, or
        ``first``.
        """
        known = self.watch
        self.watch = watch if known is None else in_turn(watch, known) if first else in_turn(known, watch)

    def observe_reads(self, look: Look) -> None:
        """Have ``look`` told of every read that a step makes, before whatever is told already."""
        self.look = look if self.look is None else looks_in_turn(look, self.look)

    def __getitem__(self, index: int) -> int:
        return self.view[index]

    def __setitem__(self, index: int, value: int) -> None:
        self.view[index] = value

    def __len__(self) -> int:
        return self.count

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The column as a numpy array of int64 over the same memory, for audits."""
        if self._array is None:
            self._array = self.array_of()
        return self._array

    def close(self) -> None:
        """Let go of the memory."""
        self.view.release()
        self._array = None

    def __repr__(self) -> str:
        return f"<column {self.name}[{self.count}] {self.klass}>"


class Arena:
    """A block with a layout.

    Make one with :meth:`create`, :meth:`attach` or :meth:`load`; close it when done.
    """

    def __init__(self, layout: Layout, fd: int) -> None:
        self.layout = layout
        self.fd = fd
        self._map = mmap.mmap(fd, layout.bytes)
        self.block = memoryview(self._map)
        self.columns: dict[str, Column] = {}
        for number, field in enumerate(layout.fields):
            start = layout.offsets[field.name]
            view = self.block[start : start + field.count * WORD].cast("q")
            self.columns[field.name] = Column(field, number, view, self._array_of(start, field.count))

    @classmethod
    def create(cls, layout: Layout) -> Arena:
        """Make a zeroed block that has no name in any file system."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("zapstress", os.MFD_CLOEXEC)
        else:  # pragma: no cover - other systems
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, layout.bytes)
        return cls(layout, fd)

    @classmethod
    def attach(cls, layout: Layout, fd: int) -> Arena:
        """Map a block that another process made; ``fd`` is its descriptor in this process."""
        size = os.fstat(fd).st_size
        if size != layout.bytes:
            raise ArenaError(f"the block has {size} bytes and the layout {layout.bytes}: not the same world")
        return cls(layout, os.dup(fd))

    def _array_of(self, start: int, count: int) -> Callable[[], np.ndarray[Any, Any]]:
        def make() -> np.ndarray[Any, Any]:
            import numpy

            return numpy.frombuffer(self.block, dtype=numpy.int64, count=count, offset=start)

        return make

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def attributes(self) -> dict[str, Column | Cells]:
        """Return what the parts of a kernel call the columns: a shared one by the Column, any other
        by its bare cells.
        """
        return {name: column if column.klass == SHARED else column.view for name, column in self.columns.items()}

    def snapshot(self) -> bytes:
        """Return the whole block, model and machine regions."""
        return bytes(self.block)

    def restore(self, snapshot: bytes) -> None:
        """Put a snapshot of this layout back: one copy."""
        self.block[:] = snapshot

    def model_hash(self) -> str:
        """Return the hash of the model region, 32 hex digits. Equal worlds have equal hashes."""
        return hashlib.blake2b(self.block[: self.layout.model_bytes], digest_size=16).hexdigest()

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write layout and block to ``path`` (which is replaced), with a checksum."""
        header = json.dumps({"layout": self.layout.describe(), "order": sys.byteorder}).encode()
        body = len(header).to_bytes(8, "little") + header + self.snapshot()
        with open(path, "wb") as file:
            file.write(MAGIC + hashlib.blake2b(body, digest_size=16).digest() + body)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Arena:
        """Make a new block from a dump. Raises ArenaError if the file is not one, or is damaged."""
        with open(path, "rb") as file:
            data = file.read()
        body = data[len(MAGIC) + 16 :]
        if (
            not data.startswith(MAGIC)
            or hashlib.blake2b(body, digest_size=16).digest() != data[len(MAGIC) : len(MAGIC) + 16]
        ):
            raise ArenaError(f"{os.fspath(path)}: not an arena dump, or damaged; dump it again")
        size = int.from_bytes(body[:8], "little")
        header = json.loads(body[8 : 8 + size])
        if header["order"] != sys.byteorder:
            raise ArenaError(f"{os.fspath(path)}: dumped on a {header['order']}-endian machine")
        arena = cls.create(Layout(Field(*row) for row in header["layout"]))
        arena.restore(body[8 + size :])
        return arena

    def close(self) -> None:
        """Unmap the block, and the arrays over it. The memory is gone with its last descriptor."""
        if self.fd < 0:
            return
        for column in self.columns.values():
            column.close()
        self.columns.clear()
        os.close(self.fd)
        self.fd = -1
        try:
            self.block.release()
            self._map.close()
        except BufferError:  # somebody else's array is still alive: the mapping goes with it
            pass
