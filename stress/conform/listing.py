"""Prints a program in C, as a kernel engineer would write it down, without headers and
declarations.
"""

from __future__ import annotations

from stress.conform.comparison import Found
from stress.conform.linux.run import BASE
from stress.conform.observation import PAGE_BYTES, PAGE_KIB, token_of
from stress.programs.on_files import Direct
from stress.programs.operation import Operation
from stress.programs.operations import Fork, Thread
from stress.programs.program import Program
from stress.programs.space import File

HEAD = f"""\
#define PAGE    {PAGE_BYTES}L
#define page(n) ((volatile long *)({BASE:#x} + (n) * PAGE))
#define map(n, pages, flags, fd, pgoff) \\
        mmap(page(n), (pages) * PAGE, PROT_READ | PROT_WRITE, (flags) | MAP_FIXED_NOREPLACE, fd, (pgoff) * PAGE)
"""


def listing(program: Program, found: Found | None = None) -> str:
    """Return the program as text; with ``found`` it ends after the operation where the sides
    differ, and says how.
    """
    lines = [f"/* seed {program.seed:#x} */", HEAD]
    lines += [f"int file{number} = {text}" for number, text in enumerate(map(file_text, program.files))]
    lines += [
        f'int direct{number} = open("/proc/self/fd/N", O_RDWR | O_DIRECT);  /* N: file{number} */'
        for number in sorted({operation.file for operation in program.operations if isinstance(operation, Direct)})
    ]
    lines += folio_sizes(program)
    space = program.space()
    for number, operation in enumerate(program.operations):
        if not operation.allowed(space):
            continue
        note = f"  /* makes T{space.slots} */" if isinstance(operation, Fork | Thread) else ""
        lines.append(statement(number, operation) + note)
        operation.effect(space)
        if found is not None and found.number == number:
            lines += [f"    /* {difference} */" for difference in found.differences]
            break
    lines += ["/* at once: */"] * bool(program.race)
    lines += [statement(number, operation) for number, operation in enumerate(program.race, len(program.operations))]
    return "\n".join(lines)


def statement(number: int, operation: Operation) -> str:
    """Return an operation as a statement, after the thread that runs it."""
    return f"T{operation.who}: {operation.c().replace('TOKEN', str(token_of(number)))}"


def folio_sizes(program: Program) -> list[str]:
    """Return comments that say which sizes of folios are on."""
    anon, shmem = ([f"{PAGE_KIB << order} kB" for order in orders] for orders in (program.orders, program.shmem_orders))
    advice = f"MADV_HUGEPAGE), sizes on: {', '.join(anon)}" if anon else "MADV_NOHUGEPAGE)"
    always = [f"/* shmem_enabled: always, of {' and '.join(shmem)} */"] if shmem else []
    return [*always, f"/* every map(): madvise(..., {advice} */"]


def file_text(file: File) -> str:
    """Return how a file is made."""
    pages = f"{file.pages} pages"
    if file.memfd and file.order:
        how = "each stored to through a mapping at page(0), which is then unmapped"
        return f'memfd_create("", 0);  /* {pages}, {how} */'
    made = 'memfd_create("", 0)' if file.memfd else 'open("/var/tmp", O_TMPFILE | O_RDWR)'
    synced = ", then fdatasync()" if file.clean else ""
    return f"{made};  /* {pages}, written {PAGE_KIB << file.order} kB at a time{synced} */"
