"""The code of a step: one word that says where in the kernel it is made, how, and on which cell.

From the lowest bit on: the index of the cell (34 bits), the number of its column (10), the kind of
the step (4), the number of the site. A *place* is column and index without the rest: it names a
cell of the arena. Every function here takes a code, or a numpy array of codes.

A step through a TLB has a second place, the TLB's cell. The machine logs it in the upper part of
the step's value: the version of the content from the lowest bit on, then the cell's index, then its
column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    Words = TypeVar("Words", int, np.ndarray[Any, np.dtype[np.int64]])

FIELD_SHIFT, KIND_SHIFT, SITE_SHIFT = 34, 44, 48
"""Where the column's number, the kind and the site's number begin."""

READ, WRITE, RMW, LOAD_THROUGH_TLB, STORE_THROUGH_TLB, WAIT = range(6)
"""Kinds of steps."""

VERSION_BITS, TLB_SHIFT = 24, 52
"""Where the index and the column of the TLB's cell begin in the value of a step through a TLB."""

INDEX_MASK = (1 << FIELD_SHIFT) - 1
COLUMN_MASK = (1 << KIND_SHIFT - FIELD_SHIFT) - 1
KIND_MASK = (1 << SITE_SHIFT - KIND_SHIFT) - 1
PLACE_MASK = (1 << KIND_SHIFT) - 1
VERSION_MASK = (1 << VERSION_BITS) - 1
CELL_MASK = (1 << TLB_SHIFT - VERSION_BITS) - 1

COLUMNS_MAX = COLUMN_MASK + 1
"""Columns that a layout may have."""


def site_of(code: Words) -> Words:
    """Return the number of the site (:data:`sim.core.machine.SITES`)."""
    return code >> SITE_SHIFT


def with_site(code: Words, number: Words) -> Words:
    """Return ``code`` with the site of that number in place of its own."""
    return number << SITE_SHIFT | code & (1 << SITE_SHIFT) - 1


def kind_of(code: Words) -> Words:
    """Return the kind: READ, WRITE..."""
    return code >> KIND_SHIFT & KIND_MASK


def place_of(code: Words) -> Words:
    """Return the place: column and index, as :func:`place` makes it."""
    return code & PLACE_MASK


def column_of(code: Words) -> Words:
    """Return the number of the column (``Column.id``) that a code or a place is of."""
    return code >> FIELD_SHIFT & COLUMN_MASK


def index_of(code: Words) -> Words:
    """Return the index into the column that a code or a place is of."""
    return code & INDEX_MASK


def writes(code: int) -> bool:
    """Return whether the step changes the cell that its code names."""
    kind = code >> KIND_SHIFT & KIND_MASK
    return kind in (WRITE, RMW, STORE_THROUGH_TLB)


def conflict(a: int, b: int) -> bool:
    """Return whether two steps are at one cell and one of them changes it; 0 is no step."""
    return a != 0 and b != 0 and (a ^ b) & PLACE_MASK == 0 and (writes(a) or writes(b))


def is_wild(code: int) -> bool:
    """Return whether a step was made at an index below 0, which no cell has: the code's index and
    column are not those that were meant.
    """
    return index_of(code) > INDEX_MASK >> 1


def cell_of(code: int) -> tuple[int, int]:
    """Return the column's number and the index that a step was made at, also if it was wild."""
    wild = is_wild(code)
    return column_of(code) + wild, index_of(code) - (wild << FIELD_SHIFT)


def place(column: Words, index: Words) -> Words:
    """Return the place of cell ``index`` of the column of that number."""
    return column << FIELD_SHIFT | index


def tlb_column_of(value: Words) -> Words:
    """Return the number of the TLB's column from the value of a step through a TLB."""
    return value >> TLB_SHIFT


def tlb_index_of(value: Words) -> Words:
    """Return the index of the TLB's cell from the value of a step through a TLB."""
    return value >> VERSION_BITS & CELL_MASK


def tlb_place_of(value: Words) -> Words:
    """Return the place of the TLB's cell from the value of a step through a TLB."""
    return place(tlb_column_of(value), tlb_index_of(value))
