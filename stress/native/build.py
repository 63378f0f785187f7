"""Compiles a translation, and keeps what the compiler made.

Kept in the user's cache (``$XDG_CACHE_HOME/zapstress/native``), an object for each file of C under
a hash of the file, the compiler and its flags; what has not been used for longest goes when there
is more than CACHE_MIB_MAX.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from stress.native.compilers import FAST, compiler, require
from stress.native.files import code_of

CACHE_MIB_MAX = 256
SCRATCH, SCRATCH_HOURS_MAX = "making-", 1
"""What folders are called in which the compiler works, and when one is taken for left behind."""


def cache_directory() -> Path:
    """Return where compiled kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zapstress" / "native"


def name_of(level: str, *texts: str) -> str:
    """Return what is kept under a hash of ``texts`` and of the compiler for a level."""
    found = compiler(level)
    words = (*texts, found.identity if found else "")
    return hashlib.blake2b("\0".join(words).encode(), digest_size=12).hexdigest()


def objects_of(files: Mapping[str, str], level: str) -> dict[str, str]:
    """Return what each file's object is kept as; comments have no say in it."""
    return {name: f"{name_of(level, code_of(text))}.o" for name, text in files.items()}


def missing(files: Mapping[str, str], level: str) -> int:
    """Return how many bytes of C would have to be compiled."""
    directory = cache_directory()
    absent = [name for name, kept in objects_of(files, level).items() if not (directory / kept).exists()]
    return sum(len(files[name]) for name in absent)


def compiled(files: Mapping[str, str], level: str = FAST, directory: Path | None = None) -> Path:
    """Return the shared object of a translation; what of it is not kept, in ``directory`` or the
    user's cache, is compiled, as many files at once as there are cores.

    Raises BuildError.
    """
    tool = require(level)
    directory = directory or cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    objects = objects_of(files, level)
    found = directory / f"{name_of(level, *objects.values())}.so"
    with tempfile.TemporaryDirectory(dir=directory, prefix=SCRATCH) as scratch:

        def compile_one(name: str) -> None:
            source, new = Path(scratch, f"{name}.c"), Path(scratch, objects[name])
            source.write_text(files[name], encoding="utf-8")
            tool.compile(source, new)
            new.replace(directory / new.name)

        absent = [name for name, kept in objects.items() if not _is_kept(directory / kept)]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(compile_one, sorted(absent, key=lambda name: -len(files[name]))))
        if not _is_kept(found):
            new = Path(scratch, found.name)
            tool.link([directory / kept for kept in objects.values()], new)
            new.replace(found)
    trim(directory)
    return found


def _is_kept(file: Path) -> bool:
    """Return whether a file is kept; note that it is used."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True


def trim(directory: Path) -> None:
    """Remove what was used longest ago, objects and manifests, until at most CACHE_MIB_MAX is left;
    and what killed compilers have left behind.
    """
    for folder in directory.glob(f"{SCRATCH}*"):
        with suppress(FileNotFoundError):  # another process trims too
            if time.time() - folder.stat().st_mtime > SCRATCH_HOURS_MAX * 3600:
                shutil.rmtree(folder, ignore_errors=True)
    found: list[tuple[float, int, Path]] = []
    for file in (file for kind in ("so", "o", "json") for file in directory.glob(f"*.{kind}")):
        with suppress(FileNotFoundError):
            found.append((file.stat().st_mtime, file.stat().st_size, file))
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > CACHE_MIB_MAX << 20:
            file.unlink(missing_ok=True)
