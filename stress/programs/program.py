"""A program, which conformance runs on both sides: an immutable value, and its file of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stress.errors import UsageError
from stress.programs.operations import FILL_MAX, OPERATIONS, Fill, Fork, Map, Operation
from stress.programs.space import PROCESSES_MAX, THREADS_MAX, File, Space

VERSION = 1
"""Of the file format (docs/file-formats.md)."""

RACERS = 2
"""Threads of a race: the first two of the program."""

TABLE, PAGES_MAX, FILES_MAX, ORDER_MAX = 512, 4096, 4, 9
"""Pages of a page table; limits of a window, of files, and of folio orders."""


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


def load(path: Path) -> Program:
    """Return the program in a file. Raises UsageError if it is not one."""
    try:
        return loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (UsageError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def loads(text: str) -> Program:
    """Return the program that :meth:`Program.dumps` gave. Raises UsageError if ``text`` is not
    one.
    """
    try:
        data = json.loads(text)
        if data["conform"] != VERSION:
            raise UsageError(f"a program of format {data['conform']!r}, and this version reads {VERSION}")
        operations, race = (
            tuple(OPERATIONS[name](*map(whole, given)) for name, *given in array(data[part]))
            for part in ("operations", "race")
        )
        files = tuple(
            File(truth(file["memfd"]), whole(file["pages"]), whole(file["order"]), truth(file["clean"]))
            for file in array(data["files"])
        )
        orders = tuple(map(whole, array(data["orders"])))
        program = Program(
            whole(data["seed"]), whole(data["first"]), whole(data["pages"]), orders, files, operations, race
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"not a conformance program ({type(error).__name__}: {error}); zapstress conform --json names those it kept"
        ) from None
    wrong = next(misfits(program), "")
    if wrong:
        raise UsageError(f"not a conformance program: {wrong}; zapstress conform --json names those it kept")
    return program


def of_kind(kind: type, value: Any) -> Any:
    """Return a value of JSON that must be of ``kind``, not of a subclass. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} where {kind.__name__} is wanted")
    return value


def whole(value: Any) -> int:
    """Return a value of JSON that must be a whole number. Raises TypeError."""
    return int(of_kind(int, value))


def truth(value: Any) -> bool:
    """Return a value of JSON that must be a truth value. Raises TypeError."""
    return bool(of_kind(bool, value))


def array(value: Any) -> list[Any]:
    """Return a value of JSON that must be a list. Raises TypeError."""
    return list(of_kind(list, value))


# -- what can be run -------------------------------------------------------------------------------------------------


def misfits(program: Program) -> Iterator[str]:
    """Yield, in words, what no runner can run: worlds and arguments out of bounds, and races of
    other than RACERS threads.
    """
    if not (0 <= program.first < TABLE and 1 <= program.pages <= PAGES_MAX):
        yield f"a window of {program.pages} pages from page {program.first} on"
    if not all(1 <= order <= ORDER_MAX for order in program.orders) or list(program.orders) != sorted(
        set(program.orders)
    ):
        yield f"orders {list(program.orders)}"
    if len(program.files) > FILES_MAX or len(program.shmem_orders) > 1:
        yield f"{len(program.files)} files, and shared memory in folios of orders {list(program.shmem_orders)}"
    yield from (f"file {number}, {file}" for number, file in enumerate(program.files) if not file_fits(file))
    for number, operation in enumerate((*program.operations, *program.race)):
        if not fits(operation, program):
            yield f"operation {number}, {operation.plain()}, does not fit its window and files"
    if program.race and not race_fits(program):
        yield f"a race that does not begin with {RACERS} threads, or of operations that cannot race"


def file_fits(file: File) -> bool:
    """Return whether a file is made of whole folios. Those of shared memory must be small enough to
    be mapped by PTEs, and are never written out.
    """
    largest = ORDER_MAX - file.memfd
    return (
        0 <= file.order <= largest
        and 1 <= file.pages <= 1 << ORDER_MAX
        and not file.pages % (1 << file.order)
        and not (file.memfd and file.clean)
    )


def fits(operation: Operation, program: Program) -> bool:
    """Return whether the arguments of an operation lie within the window, and within the file if it
    has one.
    """
    given = {field.name: getattr(operation, field.name) for field in fields(operation)}
    first, nr, file = given.get("page", given.get("start", program.first)), given.get("nr", 1), given.get("file", -1)
    good = program.first <= first and first + (nr if "start" in given else 1) <= program.first + program.pages
    good &= 0 <= given.get("shared", 0) <= 1 and 1 <= nr <= (FILL_MAX if isinstance(operation, Fill) else nr)
    if file >= 0:
        good &= file < len(program.files) and 0 <= given["pgoff"] <= program.files[file].pages - nr
    elif "file" in given:
        good &= isinstance(operation, Map) and (file, given["pgoff"]) == (-1, 0)
    return good and 0 <= operation.who < THREADS_MAX


def race_fits(program: Program) -> bool:
    """Return whether the beginning leaves the racers' threads and no others, and the race has only
    operations that can race.
    """
    space = program.space()
    for operation in program.operations:
        if operation.allowed(space):
            operation.effect(space)
    forks = sum(isinstance(operation, Fork) for operation in program.race)
    good = (
        forks <= 1
        and space.processes + forks <= PROCESSES_MAX
        and sorted(space.threads) == list(range(RACERS))
        and space.slots == RACERS
    )
    return good and all(operation.races and operation.who < RACERS for operation in program.race)
