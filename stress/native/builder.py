"""Compiles kernels beside a campaign, one after the other, giving way to its workers: each first
as fast as it can be compiled, and once all are there, as fast as it can run.

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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec
import trio

from stress.catalogue import find_catalogue
from stress.errors import FAILED, ZapstressError
from stress.native.build import cache_directory, missing
from stress.native.compilers import FAST, QUICK, BuildError, require
from stress.native.files import files_of
from stress.native.kernels import KernelKey, is_kept, made, manifest_file, search_file, searchable, translate
from stress.native.translate.assemble import Manifest
from stress.native.translate.subset import Unsupported
from stress.sources import child

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

NICE = 2
"""How much it gives way to the workers: beside two of them it has half a core."""

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
class Written:
    """A kernel whose C is written."""

    key: KernelKey
    manifest: Manifest
    files: dict[str, str]


def translated(keys: Iterable[KernelKey], catalogue: Catalogue) -> Iterator[Written]:
    """Yield the kernels that are not kept compiled, translated; tell in one line what cannot be."""
    scenarios = list(catalogue.scenarios())
    for key in keys:
        if is_kept(manifest_file(key, scenarios, catalogue)):
            continue
        try:
            program = translate(key, scenarios, catalogue)
        except (Unsupported, ZapstressError) as error:
            print(f"native: {key.profile} runs in Python: {error}", file=sys.stderr)
            continue
        for reason in dict.fromkeys(program.left_out.values()):
            print(f"native: {key.profile} runs in Python in part: {reason}", file=sys.stderr)
        yield Written(key, program.manifest(), files_of(program))


def compile_all(kernels: Iterable[Written], keys: Iterable[KernelKey], catalogue: Catalogue) -> None:
    """Compile kernels, each as soon as it is there; then those that tell footprints; and again as
    well as is worth its time, at once if little of a kernel is missing. Raises BuildError.
    """
    scenarios, later = list(catalogue.scenarios()), []

    def compile_one(kernel: Written, level: str) -> None:
        made(manifest_file(kernel.key, scenarios, catalogue, level), kernel.manifest, kernel.files, level)

    for kernel in kernels:
        soon = missing(kernel.files, FAST) > FEW_BYTES
        compile_one(kernel, QUICK if soon else FAST)
        later += [kernel] if soon else []
    compile_searchable(keys, catalogue)
    for kernel in later:
        compile_one(kernel, FAST)


def compile_searchable(keys: Iterable[KernelKey], catalogue: Catalogue) -> None:
    """Compile kernels in the flavour that tells footprints too; what cannot be was told before.
    Raises BuildError.
    """
    scenarios = list(catalogue.scenarios())
    for key in keys:
        if not any(is_kept(search_file(key, scenarios, catalogue, level)) for level in (FAST, QUICK)):
            with suppress(Unsupported, ZapstressError):
                searchable(key, scenarios, catalogue, QUICK)


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
    os.nice(NICE)
    watch()
    catalogue = find_catalogue(spec)
    try:
        require()
        with turn(f"{spec} {keys}"):
            wanted = read(keys)
            compile_all(translated(wanted, catalogue), wanted, catalogue)
    except (BuildError, OSError) as error:
        print(f"native: Python runs everything: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
