"""The arena of plain mode: the columns, each as wide as it declares, in memory that costs nothing
where nothing is written.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sim.core.arena import MACHINE, Arena, Column, Field, Layout

if TYPE_CHECKING:
    import numpy as np

ALIGNED = 4096
"""Columns begin at multiples of so many bytes: each in pages of its own."""

WIDTHS = ((1, "?"), (7, "b"), (15, "h"), (31, "i"), (64, "q"))
"""The largest number of bits that a cell of each type holds, none of them a sign."""

C_TYPES = {"?": "_Bool", "b": "int8_t", "h": "int16_t", "i": "int32_t", "q": "i64"}
BYTES = {"?": 1, "b": 1, "h": 2, "i": 4, "q": 8}


def type_of(field: Field) -> str:
    """Return the type of a column's cells, as ``memoryview.cast`` names it."""
    bits = field.bits or field.word - 1
    return next(code for most, code in WIDTHS if bits <= most)


def types_of(largest: Layout) -> dict[str, str]:
    """Return the type of each column, wide enough for the largest world."""
    return {field.name: type_of(field) for field in largest.fields}


FLAGS = 8
"""Columns of one byte a page that share a word, as the flags of a struct page do."""


def words_of_flags(fields: Iterable[Field], types: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return for each such column its word and its byte there; those that fill no word are none."""
    names = [f.name for f in fields if f.name.startswith("page_") and f.klass != MACHINE and BYTES[types[f.name]] == 1]
    return {name: divmod(k, FLAGS) for k, name in enumerate(names[: len(names) // FLAGS * FLAGS])}


class PlainLayout:
    """Where each column begins: columns of these ``types``, by name. The checkers' columns have no
    cells, but for those in ``kept``.
    """

    def __init__(self, layout: Layout, types: dict[str, str], kept: frozenset[str]) -> None:
        self.fields, self.types = layout.fields, types
        self.counts = {f.name: 0 if f.klass == MACHINE and f.name not in kept else f.count for f in self.fields}
        self.offsets: dict[str, int] = {}
        self.flags = words_of_flags(self.fields, types)
        words: dict[int, int] = {}
        at = 0
        for name, count in self.counts.items():
            word, byte = self.flags.get(name, (-1, 0))
            if word in words:
                self.offsets[name] = words[word] + byte
                continue
            self.offsets[name] = at
            if name in self.flags:
                words[word] = at
            at += -(-count * (FLAGS if name in self.flags else BYTES[types[name]]) // ALIGNED) * ALIGNED
        self.bytes = max(at, ALIGNED)


class PlainArena(Arena):
    """A block with such a layout. It has no descriptor, and is this process's alone.

    ``huge``: in huge pages, as the kernel's own array of struct page is.
    """

    def __init__(self, layout: PlainLayout, huge: bool) -> None:
        self.fd = -1
        self.plain = layout
        self._map = mmap.mmap(-1, layout.bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if huge and hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.block = memoryview(self._map)
        self.columns: dict[str, Column] = {}
        for number, field in enumerate(layout.fields):
            view = self._view(field.name)
            self.columns[field.name] = Column(field, number, view, self._array(view))

    def _view(self, name: str) -> memoryview:
        """Return a column's cells."""
        start, code, count = self.plain.offsets[name], self.plain.types[name], self.plain.counts[name]
        _, byte = self.plain.flags.get(name, (-1, 0))
        size = FLAGS if name in self.plain.flags else BYTES[code]
        cells: memoryview = self.block[start - byte : start - byte + count * size].cast(code)  # type: ignore[call-overload]
        return cells[byte::FLAGS] if name in self.plain.flags else cells

    def _array(self, view: memoryview) -> Callable[[], np.ndarray[Any, Any]]:
        def make() -> np.ndarray[Any, Any]:
            import numpy

            return numpy.asarray(view)

        return make

    def bytes_in_memory(self) -> int:
        """Return how many bytes of the block have been touched, in whole pages."""
        pages = -(-self.plain.bytes // mmap.PAGESIZE)
        found = (ctypes.c_ubyte * pages)()
        block = (ctypes.c_char * self.plain.bytes).from_buffer(self.block)
        ctypes.CDLL(None).mincore(block, ctypes.c_size_t(self.plain.bytes), found)
        return mmap.PAGESIZE * sum(found)

    def close(self) -> None:
        """Unmap the block."""
        for column in self.columns.values():
            column.view.release()
        self.columns.clear()
        self.block.release()
        self._map.close()
