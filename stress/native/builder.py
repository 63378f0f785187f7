"""Compiles kernels beside a campaign, one after the other: each first as soon as it can be, for
executions and for single transitions; and once all are there, giving way to the workers, as fast as
it can run.

Started by the supervisor as ``python -m stress.native.builder CATALOGUE KERNELS``: the keys of the
kernels as JSON. Workers find what it has compiled in the cache. It ends itself when its standard
input is closed: its supervisor is gone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from stress.catalogue import find_catalogue
from stress.errors import FAILED, ZapstressError
from stress.native.build import cache_directory, missing
from stress.native.compilers import FAST, QUICK, BuildError, require
from stress.native.files import files_of, hashes_of
from stress.native.kernels import KernelKey, is_kept, made, manifest_file, search_file, translate
from stress.native.translate.assemble import Manifest, Translation
from stress.native.translate.subset import Unsupported
from stress.sources import child

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

NICE = 2
"""How much it gives way to the workers once all kernels are there: beside two it has half a core."""

FEW_BYTES = 200_000
"""So many bytes of C are compiled at the second level at once: what an edit of a patch changes."""


def written(keys: Iterable[KernelKey]) -> str:
    """Return kernels as an argument of the command line."""
    return json.dumps([asdict(key) for key in keys])


def read(text: str) -> list[KernelKey]:
    """Return the kernels that :func:`written` wrote down."""
    return [msgspec.convert(plain, KernelKey) for plain in json.loads(text)]


async def compile_beside(catalogue: str, keys: Iterable[KernelKey]) -> None:
    """Have ``keys`` compiled, in their order, by a process that ends with the caller's scope."""
    command, environment = child("stress.native.builder", catalogue, written(keys))
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, env=environment)
    try:
        await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def watch() -> None:
    """End this process when nobody holds the other end of its standard input any more."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(FAILED)

    threading.Thread(target=wait, daemon=True).start()


@dataclass(frozen=True)
class Flavour:
    """What a kernel is compiled for, of the two things that a campaign does with it."""

    file: Callable[[KernelKey, Sequence[str], Catalogue, str], Path]
    """Returns where the manifest of a kernel that is compiled at a level is kept."""
    single: bool
    """For single transitions, by which a campaign proves and names classes."""


FLAVOURS = Flavour(manifest_file, False), Flavour(search_file, True)


@dataclass(frozen=True)
class Written:
    """A kernel in one flavour whose C is written."""

    manifest: Manifest
    files: dict[str, str]


class Builder:
    """Compiles kernels, each in both flavours. One translation serves both, so that the one for
    single transitions is there right behind the other.
    """

    def __init__(self, keys: Iterable[KernelKey], catalogue: Catalogue) -> None:
        self.keys, self.catalogue, self.scenarios = list(keys), catalogue, list(catalogue.scenarios())
        self.held: dict[tuple[KernelKey, bool], Written] = {}
        """What the second level will want."""
        self.latest: tuple[KernelKey, Translation | None] | None = None
        self.told: set[str] = set()

    def soon(self) -> None:
        """Compile what is kept at no level at the first, or, if little of it is missing, at the
        second. Raises BuildError.
        """
        for key in self.keys:
            for flavour in FLAVOURS:
                if not self.is_kept(key, flavour, FAST) and not self.is_kept(key, flavour, QUICK):
                    self.compile(key, flavour, QUICK)
            self.latest = None

    def well(self) -> None:
        """Compile at the second level what is not kept at it: all kernels for executions first.
        Raises BuildError.
        """
        for flavour in FLAVOURS:
            for key in self.keys:
                if not self.is_kept(key, flavour, FAST):
                    self.compile(key, flavour, FAST)
            self.latest = None

    def is_kept(self, key: KernelKey, flavour: Flavour, level: str) -> bool:
        """Return whether a kernel is kept in a flavour, compiled at a level."""
        return is_kept(flavour.file(key, self.scenarios, self.catalogue, level))

    def compile(self, key: KernelKey, flavour: Flavour, level: str) -> None:
        """Compile a kernel, if it can be translated: at the second level, if little is missing."""
        kernel = self.held.pop((key, flavour.single), None) or self.write(key, flavour)
        if kernel is None:
            return
        if level == QUICK and missing(kernel.files, FAST) <= FEW_BYTES:
            level = FAST
        made(flavour.file(key, self.scenarios, self.catalogue, level), kernel.manifest, kernel.files, level)
        if level == QUICK:
            self.held[key, flavour.single] = kernel

    def write(self, key: KernelKey, flavour: Flavour) -> Written | None:
        """Return a kernel in a flavour, or None if it cannot be translated."""
        if self.latest is None or self.latest[0] != key:
            self.latest = key, self.translated(key)
        program = self.latest[1]
        if program is None:
            return None
        functions = hashes_of(program) if flavour.single else {}
        return Written(replace(program.manifest(), functions=functions), files_of(program, flavour.single))

    def translated(self, key: KernelKey) -> Translation | None:
        """Return a kernel's translation; tell in one line what cannot be translated."""
        try:
            program = translate(key, self.scenarios, self.catalogue)
        except (Unsupported, ZapstressError) as error:
            self.tell(f"native: {key.profile} runs in Python: {error}")
            return None
        for reason in program.left_out.values():
            self.tell(f"native: {key.profile} runs in Python in part: {reason}")
        return program

    def tell(self, line: str) -> None:
        """Tell what cannot be translated, once."""
        if line not in self.told:
            self.told.add(line)
            print(line, file=sys.stderr)


@contextmanager
def turn(words: str) -> Iterator[None]:
    """Wait until no other process of this user has the turn for ``words``: what two would compile,
    one compiles, and the other finds. Files for 256 turns are left.
    """
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(words.encode(), digest_size=1).hexdigest()
    with (directory / f"{name}.turn").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(argv: list[str] | None = None) -> int:
    """Compile. What cannot be compiled is said in one line, and runs in Python."""
    spec, keys = sys.argv[1:] if argv is None else argv
    watch()
    catalogue = find_catalogue(spec)
    try:
        require()
        with turn(f"{spec} {keys}"):
            builder = Builder(read(keys), catalogue)
            builder.soon()
            os.nice(NICE)
            builder.well()
    except (BuildError, OSError) as error:
        print(f"native: Python runs everything: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
