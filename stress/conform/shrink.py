"""Shrinks a program that shows a difference: fewer operations, then a smaller world, then plainer
arguments.

A predicate decides which smaller programs show the difference too: it runs them, and compares the
signature. The first that does is taken, and shrunk in its turn. An operation that loses what it
needs (its thread, its mapping) is skipped by both sides; a later step takes it away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, fields, replace

from stress.programs.operation import Operation
from stress.programs.operations import Map
from stress.programs.program import Program
from stress.programs.rules import broken
from stress.programs.space import File

PAGES = ("page", "start")
"""Names of arguments of operations that are pages of the window."""

Predicate = Callable[[Program], bool]
Operations = tuple[Operation, ...]


def shrink(program: Program, fails: Predicate, seconds: float = float("inf")) -> tuple[Program, bool]:
    """Return the smallest program found that still ``fails``, and whether no program that is
    smaller by one step does; False if ``seconds`` were up before that was known.
    """
    end = time.monotonic() + seconds
    while True:
        for candidate in candidates(program):
            if time.monotonic() > end:
                return program, False
            if fails(candidate):
                program = candidate
                break
        else:
            return program, True


def candidates(program: Program) -> Iterator[Program]:
    """Yield runnable programs that are smaller by one step, the largest steps first."""
    return (candidate for candidate in smaller(program) if next(broken(candidate), None) is None)


def smaller(program: Program) -> Iterator[Program]:
    """Yield programs that are smaller by one step, runnable or not."""
    yield from (
        without_file(program, number) for number in range(len(program.files)) if number not in used_files(program)
    )
    yield from (replace(program, operations=fewer) for fewer in shorter(program.operations))
    yield from (replace(program, race=fewer) for fewer in shorter(program.race) if fewer)
    yield from smaller_worlds(program)
    for at, operation in enumerate(program.operations):
        yield from (
            replace(program, operations=replaced(program.operations, at, plainer))
            for plainer in plainer_operations(operation, program)
        )
    for at, operation in enumerate(program.race):
        yield from (
            replace(program, race=replaced(program.race, at, plainer))
            for plainer in plainer_operations(operation, program)
        )


def shorter(operations: Operations) -> Iterator[Operations]:
    """Yield the operations without a run of them: the longest runs first, from the end."""
    length = len(operations)
    while length:
        for start in range(len(operations) - length, -1, -1):
            yield operations[:start] + operations[start + length :]
        length //= 2


def replaced(operations: Operations, at: int, operation: Operation) -> Operations:
    """Return the operations with another one at ``at``."""
    return (*operations[:at], operation, *operations[at + 1 :])


def changed(program: Program, change: Callable[[Operation], Operation]) -> Program:
    """Return the program with every operation changed."""
    return replace(program, operations=tuple(map(change, program.operations)), race=tuple(map(change, program.race)))


# -- worlds ----------------------------------------------------------------------------------------------------------


def smaller_worlds(program: Program) -> Iterator[Program]:
    """Yield the program with small folios, with plainer files, in a smaller window, and lower in
    it.
    """
    if program.orders:
        yield replace(program, orders=())
    for number, file in enumerate(program.files):
        for plainer in plainer_files(file):
            yield replace(program, files=(*program.files[:number], plainer, *program.files[number + 1 :]))
    everything = (*program.operations, *program.race)
    first = min((start for start, _ in map(extent, everything)), default=0)
    last = max((end for _, end in map(extent, everything)), default=0)
    if max(1, last - program.first) < program.pages:
        yield replace(program, pages=max(1, last - program.first))
    if program.first:
        yield replace(changed(program, lambda operation: moved(operation, program.first)), first=0)
    for by in halves(first - program.first):
        yield changed(program, lambda operation, by=by: moved(operation, by))  # type: ignore[misc]


def halves(room: int) -> Iterator[int]:
    """Yield by how much to lessen a number that can be lessened by ``room``: all of it, half, a
    quarter, down to one.
    """
    while room > 0:
        yield room
        room //= 2


def extent(operation: Operation) -> tuple[int, int]:
    """Return the pages [start, end) of the window that an operation names; an empty range if it
    names none.
    """
    at = next(iter(pages(operation).values()), None)
    return (1 << 62, 0) if at is None else (at, at + getattr(operation, "nr", 1))


def pages(operation: Operation) -> dict[str, int]:
    """Return the arguments of an operation that are pages of the window, by name."""
    return {field.name: getattr(operation, field.name) for field in fields(operation) if field.name in PAGES}


def moved(operation: Operation, by: int) -> Operation:
    """Return an operation on pages that are ``by`` lower."""
    return replace(operation, **{name: value - by for name, value in pages(operation).items()})


def plainer_files(file: File) -> Iterator[File]:
    """Yield the file with small folios, not written out, or of half its pages."""
    if file.order:
        yield replace(file, order=0)
    if file.clean:
        yield replace(file, clean=False)
    yield replace(file, pages=file.pages // 2)


def used_files(program: Program) -> set[int]:
    """Return the numbers of the files that operations name."""
    return {getattr(operation, "file", -1) for operation in (*program.operations, *program.race)}


def without_file(program: Program, number: int) -> Program:
    """Return the program without a file that no operation names; the numbers of later files fall by
    one.
    """

    def renumbered(operation: Operation) -> Operation:
        behind = {"file": file - 1} if (file := getattr(operation, "file", -1)) > number else {}
        return replace(operation, **behind)

    return replace(changed(program, renumbered), files=(*program.files[:number], *program.files[number + 1 :]))


# -- arguments -------------------------------------------------------------------------------------------------------


def plainer_operations(operation: Operation, program: Program) -> Iterator[Operation]:
    """Yield the operation with one argument made smaller; a page is as small as it can be if it is
    the window's first, and ranges are cut at either end.
    """
    first, *values = astuple(operation)
    names = [field.name for field in fields(operation)[1:]]
    for name, value in zip(names, values, strict=True):
        least = program.first if name in PAGES else 1 if name == "nr" else -1 if name == "file" else 0
        for by in halves(value - least):
            less = value - by
            yield anonymous(operation) if name == "file" and less < 0 else replace(operation, **{name: less})
    if {"start", "nr"} <= set(names):
        yield from cut(operation)
    if first:
        yield replace(operation, who=first - 1)


def anonymous(operation: Operation) -> Operation:
    """Return a mapping as one of anonymous memory."""
    return replace(operation, file=-1, shared=0, pgoff=0) if isinstance(operation, Map) else operation


def cut(operation: Operation) -> Iterable[Operation]:
    """Yield the operation on its range without the first pages."""
    given = {field.name: getattr(operation, field.name) for field in fields(operation)}
    for by in halves(given["nr"] - 1):
        on = {"pgoff": given["pgoff"] + by} if given.get("file", -1) >= 0 else {}
        yield replace(operation, **{"start": given["start"] + by, "nr": given["nr"] - by, **on})
