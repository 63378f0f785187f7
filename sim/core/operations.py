"""The operations that a thread of the model can be in, as checkers and statistics know them.

The machine column ``op`` holds, for each CPU, the number of the operation that its thread is in; 0
is none. ``overlaps`` counts, in the cell ``(first - 1) * len(OPERATIONS) + second - 1``, how often
operation ``second`` began on a CPU while another CPU was in operation ``first``. It belongs to the
execution: a restore clears it.
"""

from __future__ import annotations

OPERATIONS = (
    "page fault",
    "mmap",
    "munmap",
    "dontneed",
    "fork",
    "exit",
    "writeback",
    "age",
    "truncate",
    "punch",
    "direct write",
)


def number_of(operation: str) -> int:
    """Return the number, from 1, that stands for an operation in ``op``."""
    return OPERATIONS.index(operation) + 1


def overlap_cell(first: int, second: int) -> int:
    """Return the index into ``overlaps`` of two operations, given by their numbers."""
    return (first - 1) * len(OPERATIONS) + second - 1
