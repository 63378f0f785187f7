"""A program: what conformance runs on both sides. Immutable; a file of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stress.errors import UsageError
from stress.programs.operations import OPERATIONS, Operation, Sync
from stress.programs.space import THREADS_MAX, File, Space

VERSION = 1

TABLE, PAGES_MAX, ORDER_MAX = 512, 4096, 9
"""Pages of a page table; limits of a program that is read from a file."""


@dataclass(frozen=True)
class Program:
    """Operations, and the world that they begin in.

    The window is ``pages`` pages from page ``first`` on, counted from the beginning of a page table. ``orders`` are those that anonymous
    memory may use besides 0. ``seed`` is where the program comes from; it decides nothing.
    """

    seed: int
    first: int
    pages: int
    orders: tuple[int, ...]
    files: tuple[File, ...]
    operations: tuple[Operation, ...]
    race: tuple[Operation, ...] = ()
    """What the threads then do at once, each in this order: empty but in racing mode."""

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
            "conform": VERSION, "seed": self.seed, "first": self.first, "pages": self.pages, "orders": list(self.orders),
            "files": [asdict(file) for file in self.files], "operations": [operation.plain() for operation in self.operations],
            "race": [operation.plain() for operation in self.race],
        }  # fmt: skip

    def dumps(self) -> str:
        """Return the text of its file."""
        return json.dumps(self.plain(), indent=None)


def load(path: Path) -> Program:
    """Return the program in a file. Raises UsageError if it is not one."""
    try:
        return loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (UsageError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def loads(text: str) -> Program:
    """Return the program that :meth:`Program.dumps` gave. Raises UsageError if ``text`` is not one."""
    try:
        data = json.loads(text)
        if data["conform"] != VERSION:
            raise UsageError(f"a program of format {data['conform']}, and this version reads {VERSION}")
        operations, race = (tuple(OPERATIONS[name](*map(int, given)) for name, *given in data[part]) for part in ("operations", "race"))
        files = tuple(File(bool(file["memfd"]), int(file["pages"]), int(file["order"]), bool(file["clean"])) for file in data["files"])
        program = Program(int(data["seed"]), int(data["first"]), int(data["pages"]), tuple(map(int, data["orders"])), files, operations, race)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"not a conformance program ({type(error).__name__}: {error}); zapstress conform --json names those it kept") from None
    wrong = next(misfits(program), "")
    if wrong:
        raise UsageError(f"not a conformance program: {wrong}; zapstress conform --json names those it kept")
    return program


def misfits(program: Program) -> Iterator[str]:
    """Yield what no program of the generator has, and no runner is made for."""
    if not (0 <= program.first < TABLE and 1 <= program.pages <= PAGES_MAX):
        yield f"a window of {program.pages} pages from page {program.first} on"
    if not all(1 <= order <= ORDER_MAX for order in program.orders):
        yield f"orders {list(program.orders)}"
    for number, file in enumerate(program.files):
        if not (0 <= file.order <= ORDER_MAX and 1 <= file.pages <= 1 << ORDER_MAX and file.pages % (1 << file.order) == 0):
            yield f"file {number} of {file.pages} pages in folios of order {file.order}"
    for number, operation in enumerate((*program.operations, *program.race)):
        if not fits(operation, program):
            yield f"operation {number}, {operation.plain()}, does not fit its window and files"


def fits(operation: Operation, program: Program) -> bool:
    """Return whether the arguments of an operation lie within the window, and within the file if it has one."""
    given = {field.name: getattr(operation, field.name) for field in fields(operation)}
    first, nr, file = given.get("page", given.get("start", program.first)), given.get("nr", 1), given.get("file", -1)
    within = program.first <= first and first + (nr if "start" in given else 1) <= program.first + program.pages
    if file >= 0:
        within &= file < len(program.files) and 0 <= given["pgoff"] <= program.files[file].pages - nr
    return within and 0 <= operation.who < THREADS_MAX and nr >= 1 and file >= (0 if isinstance(operation, Sync) else -1)
