"""Compiles kernels beside a campaign, one after the other, giving way to its workers.

Started by the supervisor as ``python -m stress.native.builder CATALOGUE PROFILE KERNEL [FAULT ...]
[-- ...]``. Workers find what it has compiled in the cache. It ends itself when its standard input
is closed: its supervisor is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

import trio

from stress.catalogue import find_catalogue
from stress.errors import FAILED
from stress.native.build import BuildError
from stress.native.kernels import KernelKey, library
from stress.native.translate.subset import Unsupported
from stress.sources import child

NICE = 2
"""How much it gives way to the workers: beside two of them it has half a core."""

BETWEEN = "--"
"""Stands between two kernels on the command line."""


def arguments(keys: Iterable[KernelKey]) -> list[str]:
    """Return kernels as arguments of the command line."""
    return [word for key in keys for word in (key.profile, key.kernel, *key.faults, BETWEEN)]


def parsed(words: Sequence[str]) -> Iterator[KernelKey]:
    """Yield the kernels that :func:`arguments` wrote down."""
    key: list[str] = []
    for word in words:
        if word != BETWEEN:
            key.append(word)
        else:
            yield KernelKey(key[0], key[1], tuple(key[2:]))
            key = []


async def compile_beside(catalogue: str, keys: Iterable[KernelKey]) -> None:
    """Have ``keys`` compiled, in their order, by a process that ends with the caller's scope."""
    command, environment = child("stress.native.builder", catalogue, *arguments(keys))
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


def main(argv: list[str] | None = None) -> int:
    """Compile. What cannot be compiled is said in one line, and runs in Python."""
    spec, *words = sys.argv[1:] if argv is None else argv
    os.nice(NICE)
    watch()
    catalogue = find_catalogue(spec)
    for key in parsed(words):
        try:
            found = library(key, list(catalogue.scenarios()), catalogue)
        except (Unsupported, BuildError) as error:
            print(f"native: {key.profile} runs in Python: {error}", file=sys.stderr)
            if isinstance(error, BuildError):
                return 0
            continue
        for reason in dict.fromkeys(found.manifest.left_out.values()):
            print(f"native: {key.profile} runs in Python in part: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
