"""Prints a program as a kernel engineer would write it down: C in all but the scaffolding."""

from __future__ import annotations

from stress.conform.comparison import Found
from stress.conform.linux.run import BASE
from stress.programs.operations import Fork, Thread
from stress.programs.program import Program
from stress.programs.space import File

HEAD = f"""\
#define PAGE    4096L
#define page(n) ((volatile long *)({BASE:#x} + (n) * PAGE))
#define map(n, pages, flags, fd, pgoff) \\
        mmap(page(n), (pages) * PAGE, PROT_READ | PROT_WRITE, (flags) | MAP_FIXED_NOREPLACE, fd, (pgoff) * PAGE)
"""


def listing(program: Program, found: Found | None = None) -> str:
    """Return the program as text, with what was found at its place."""
    lines = [f"/* seed {program.seed:#x} */", HEAD]
    lines += [f"int file{number} = {text}" for number, text in enumerate(map(file_text, program.files))]
    sizes = ", ".join(f"{4 << order} kB" for order in program.orders)
    if program.shmem_orders:
        lines.append(
            f"/* shmem_enabled: always, of {' and '.join(f'{4 << order} kB' for order in program.shmem_orders)} */"
        )
    lines.append(
        f"/* every map(): madvise(..., {f'MADV_HUGEPAGE), sizes on: {sizes}' if program.orders else 'MADV_NOHUGEPAGE)'} */"
    )
    space = program.space()
    for number, operation in enumerate(program.operations):
        if not operation.allowed(space):
            continue
        note = f"  /* makes T{space.slots} */" if isinstance(operation, Fork | Thread) else ""
        lines.append(f"T{operation.who}: {operation.c().replace('TOKEN', str(number + 1 << 12))}{note}")
        operation.effect(space)
        if found is not None and found.number == number:
            lines += [f"    /* {difference} */" for difference in found.differences]
            break
    lines += ["/* at once: */"] * bool(program.race)
    for number, operation in enumerate(program.race, len(program.operations)):
        lines.append(f"T{operation.who}: {operation.c().replace('TOKEN', str(number + 1 << 12))}")
    return "\n".join(lines)


def file_text(file: File) -> str:
    """Return how a file is made."""
    if file.memfd and file.order:
        return f'memfd_create("", 0);  /* {file.pages} pages, each stored to through a mapping at page(0), which is then unmapped */'
    how = 'memfd_create("", 0)' if file.memfd else 'open("/var/tmp", O_TMPFILE | O_RDWR)'
    return f"{how};  /* {file.pages} pages, written {4 << file.order} kB at a time{', then fdatasync()' if file.clean else ''} */"
