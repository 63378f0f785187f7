"""What a program must keep to so that both sides can run it, rule by rule.

A program may come from a stranger, or from an editor: a rule that is broken is told in words, with
the number that breaks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from stress.programs.on_files import DIRECT_MAX, Direct, Punch, Truncate
from stress.programs.operation import Operation
from stress.programs.operations import FILL_MAX, Fill, Fork, Map
from stress.programs.space import PROCESSES_MAX, THREADS_MAX, File

if TYPE_CHECKING:
    from stress.programs.program import Program

RACERS = 2
"""Threads of a race: the first two."""

TABLE, PAGES_MAX, FILES_MAX, ORDER_MAX = 512, 4096, 4, 9
"""Pages of a page table; limits of a program."""

OPERATIONS_MAX, SEED_MAX = 4096, (1 << 64) - 1


def broken(program: Program) -> Iterator[str]:
    """Yield each rule that a program breaks, in words."""
    yield from _world(program)
    for number, file in enumerate(program.files):
        yield from (f"file {number}: {rule}" for rule in _file(file))
    operations = (*program.operations, *program.race)
    if len(operations) > OPERATIONS_MAX:
        yield f"{len(operations)} operations: a program has at most {OPERATIONS_MAX}"
        return
    for number, operation in enumerate(operations):
        yield from (f"operation {number}, {operation.name}: {rule}" for rule in _operation(operation, program))
    if program.race:
        yield from _race(program)


def _world(program: Program) -> Iterator[str]:
    if not 0 <= program.seed <= SEED_MAX:
        yield f"the seed is from 0 to {SEED_MAX}"
    if not 0 <= program.first < TABLE:
        yield f"the window begins at a page from 0 to {TABLE - 1}, not {program.first}"
    if not 1 <= program.pages <= PAGES_MAX:
        yield f"the window has from 1 to {PAGES_MAX} pages, not {program.pages}"
    orders = list(program.orders)
    if not all(1 <= order <= ORDER_MAX for order in orders) or orders != sorted(set(orders)):
        yield f"orders are from 1 to {ORDER_MAX}, ascending, and none is there twice"
    if len(program.files) > FILES_MAX:
        yield f"{len(program.files)} files: a program has at most {FILES_MAX}"
    if len(program.shmem_orders) > 1:
        yield "large folios of shared memory have one order, the same in all files"


def _file(file: File) -> Iterator[str]:
    """Yield the rules that a file breaks.

    Folios of shared memory must be small enough to be mapped by PTEs.
    """
    largest, most = ORDER_MAX - file.memfd, 1 << ORDER_MAX
    if not 0 <= file.order <= largest:
        yield f"its folios have an order from 0 to {largest}, not {file.order}"
        return
    if not 1 <= file.pages <= most:
        yield f"it has from 1 to {most} pages, not {file.pages}"
    elif file.pages % (1 << file.order):
        yield f"its {file.pages} pages are no whole folios of {1 << file.order}"
    if file.memfd and file.clean:
        yield "shared memory is never written out, so it cannot be clean"


def _operation(operation: Operation, program: Program) -> Iterator[str]:
    """Yield the rules that the arguments of an operation break."""
    given = {field.name: getattr(operation, field.name) for field in fields(operation)}
    if not 0 <= operation.who < THREADS_MAX:
        yield f"threads are numbered from 0 to {THREADS_MAX - 1}, and not {operation.who}"
    most = FILL_MAX if isinstance(operation, Fill) else PAGES_MAX
    nr = given.get("nr", 1)
    if not 1 <= nr <= most:
        yield f"it takes from 1 to {most} pages, not {nr}"
        return
    yield from _place(given, nr, program)
    if not 0 <= given.get("shared", 0) <= 1:
        yield "shared is 0 or 1"
    if isinstance(operation, Truncate):
        yield from _size(operation, program)
    elif "file" in given:
        yield from _mapping(given["file"], given["pgoff"], nr, isinstance(operation, Map), program)
        yield from _folios(operation, program)


def _size(operation: Truncate, program: Program) -> Iterator[str]:
    """Yield the rules that a new size of a file breaks."""
    if not 0 <= operation.file < len(program.files):
        yield f"there is no file {operation.file}"
        return
    file = program.files[operation.file]
    if operation.half not in (0, 1):
        yield "half is 0 or 1"
    elif not 0 <= operation.halves <= 2 * file.pages:
        yield f"file {operation.file} has from 0 to {file.pages} pages, and not {operation.pgoff}"
    elif file.order and (operation.half or operation.pgoff & (1 << file.order) - 1):
        yield f"file {operation.file} ends with a whole folio of {1 << file.order} pages"


def _folios(operation: Operation, program: Program) -> Iterator[str]:
    """Yield the rules that holes and direct writes break."""
    if (
        isinstance(operation, Punch)
        and operation.file < len(program.files)
        and not program.space().whole(operation.file, operation.pgoff, operation.nr)
    ):
        yield f"a hole in file {operation.file} has whole folios of {1 << program.files[operation.file].order} pages"
    if isinstance(operation, Direct) and operation.nr > DIRECT_MAX:
        yield f"a direct write has at most {DIRECT_MAX} pages"


def _place(given: dict[str, int], nr: int, program: Program) -> Iterator[str]:
    first = given.get("page", given.get("start"))
    if first is None:
        return
    pages, end = nr if "start" in given else 1, program.first + program.pages
    if not (program.first <= first and first + pages <= end):
        yield f"pages {first} to {first + pages - 1} lie outside of the window, {program.first} to {end - 1}"


def _mapping(file: int, pgoff: int, nr: int, maps: bool, program: Program) -> Iterator[str]:
    if file >= len(program.files) or file < -1:
        yield f"there is no file {file}"
    elif file < 0 and not (maps and pgoff == 0):
        yield "only mmap takes no file, which is -1, and then at offset 0"
    elif file >= 0 and not 0 <= pgoff <= program.files[file].pages - nr:
        yield f"pages {pgoff} to {pgoff + nr - 1} lie outside of file {file}, which has {program.files[file].pages}"


def _race(program: Program) -> Iterator[str]:
    """Yield the rules that a race breaks: it begins with the racers' threads and no others, and has
    only operations that can race.
    """
    space = program.space()
    for operation in program.operations:
        if operation.allowed(space):
            operation.effect(space)
    if sorted(space.threads) != list(range(RACERS)) or space.slots != RACERS:
        yield f"a race begins with threads 0 to {RACERS - 1} alive, and no other was ever made"
    forks = sum(isinstance(operation, Fork) for operation in program.race)
    if forks > 1:
        yield f"a race forks at most once, and not {forks} times"
    if space.processes + forks > PROCESSES_MAX:
        yield f"a program has at most {PROCESSES_MAX} processes"
    for operation in program.race:
        if not operation.races:
            yield f"{operation.name} cannot race: it is more than one system call or access"
        elif operation.who >= RACERS:
            yield f"thread {operation.who} is no racer"
