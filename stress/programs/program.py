"""A program, which conformance runs on both sides: an immutable value, and the text of its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from stress.programs.operation import Operation
from stress.programs.space import File, Space

VERSION = 1
"""Of the file format (docs/file-formats.md)."""


@dataclass(frozen=True)
class Program:
    """Operations, and the world that they begin in.

    The window is ``pages`` pages from page ``first`` on, counted from the beginning of a page
    table. ``orders`` are the folio orders, besides 0, that anonymous memory may use. ``seed`` is
    the seed that the program was drawn from; nothing depends on it.
    """

    seed: int
    first: int
    pages: int
    orders: tuple[int, ...]
    files: tuple[File, ...]
    operations: tuple[Operation, ...]
    race: tuple[Operation, ...] = ()
    """Operations that the threads then make at once, each thread its own in this order; empty but
    in racing mode.
    """

    @property
    def shmem_orders(self) -> tuple[int, ...]:
        """Return the orders of large folios that shared memory must use."""
        return tuple(sorted({file.order for file in self.files if file.memfd and file.order}))

    def space(self) -> Space:
        """Return the space in which the program begins."""
        return Space(self.first, self.pages, self.files)

    def plain(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return {
            "conform": VERSION,
            "seed": self.seed,
            "first": self.first,
            "pages": self.pages,
            "orders": list(self.orders),
            "files": [asdict(file) for file in self.files],
            "operations": [operation.plain() for operation in self.operations],
            "race": [operation.plain() for operation in self.race],
        }

    def dumps(self) -> str:
        """Return the text of its file."""
        return json.dumps(self.plain(), indent=None)
