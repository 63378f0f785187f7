"""Makes a program that shows a difference as small as it will go: fewer operations, then plainer arguments, then a smaller world.

Whatever the predicate accepts is kept; it runs the program again and wants the same signature. Operations that lose what they rest upon
(a thread, a mapping) are skipped by both sides and are then taken away like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, fields, replace

from stress.programs.operations import Operation
from stress.programs.program import Program

PAGES = ("page", "start")
"""Arguments of operations that are pages of the window."""

Predicate = Callable[[Program], bool]


def shrink(program: Program, fails: Predicate) -> Program:
    """Return the smallest program found that still ``fails``; nothing smaller by one step does."""
    while True:
        smaller = next((candidate for candidate in candidates(program) if fails(candidate)), None)
        if smaller is None:
            return program
        program = smaller


def candidates(program: Program) -> Iterator[Program]:
    """Yield programs that are smaller by one step, the largest steps first."""
    count = len(program.operations)
    length = count
    while length:
        for start in range(count - length, -1, -1):
            yield replace(program, operations=program.operations[:start] + program.operations[start + length :])
        length //= 2
    for at, operation in enumerate(program.operations):
        for plainer in plainer_operations(operation, program):
            yield replace(program, operations=(*program.operations[:at], plainer, *program.operations[at + 1 :]))
    yield from moved_down(program)
    if program.files and not any(getattr(operation, "file", -1) == len(program.files) - 1 for operation in program.operations):
        yield replace(program, files=program.files[:-1])


def moved_down(program: Program) -> Iterator[Program]:
    """Yield programs whose pages are all as many pages lower: down to the window's first, half of the way, by one."""
    room = min((value for operation in program.operations for value in pages(operation).values()), default=program.first) - program.first
    for by in dict.fromkeys((room, room // 2, 1)):
        if 0 < by <= room:
            moved = (replace(operation, **{name: value - by for name, value in pages(operation).items()}) for operation in program.operations)
            yield replace(program, operations=tuple(moved))


def pages(operation: Operation) -> dict[str, int]:
    """Return the arguments of an operation that are pages of the window, by name."""
    return {field.name: getattr(operation, field.name) for field in fields(operation) if field.name in PAGES}


def plainer_operations(operation: Operation, program: Program) -> Iterator[Operation]:
    """Yield operations with one argument made smaller: to the least, to half, by one; pages count from the window's first."""
    first, *values = astuple(operation)
    names = [field.name for field in fields(operation)[1:]]
    for name, value in zip(names, values, strict=True):
        least = program.first if name in PAGES else 1 if name == "nr" else -1 if name == "file" else 0
        for smaller in dict.fromkeys((least, (value + least) // 2, value - 1)):
            if least <= smaller < value:
                yield replace(operation, **{name: smaller})
    if first:
        yield replace(operation, who=first - 1)
