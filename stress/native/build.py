"""Compiles a translation with the machine's C compiler, and keeps what it made.

Kept in the user's cache (``$XDG_CACHE_HOME/zapstress/native``), an object for each file of C under
a hash of the file, the compiler and its flags; what has not been used for longest goes when there
is more than CACHE_MIB_MAX.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from stress.errors import ZapstressError
from stress.native.files import code_of

FLAGS = ("-fwrapv", "-fno-strict-aliasing", "-fPIC", "-fvisibility=hidden", "-w")
QUICK, FAST = "-O0", "-O1"
"""Levels: what is compiled soonest, at a quarter of the speed, and what is worth its time."""

CACHE_MIB_MAX = 256
SCRATCH, SCRATCH_HOURS_MAX = "making-", 1
"""What folders are called in which the compiler works, and when one is taken for left behind."""


class BuildError(ZapstressError):
    """There is no C compiler, or it refused a translation."""


@cache
def compiler() -> str:
    """Return the path of the C compiler, or "" if this machine has none; ``$CC`` names another."""
    return shutil.which(os.environ.get("CC") or "cc") or ""


@cache
def _compiler_version(path: str) -> str:
    if not path:
        return ""
    found = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return found.stdout.partition("\n")[0]


def cache_directory() -> Path:
    """Return where compiled kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zapstress" / "native"


def name_of(*texts: str) -> str:
    """Return what is kept under a hash of ``texts``, the compiler and its flags."""
    words = (*texts, compiler(), _compiler_version(compiler()), *FLAGS)
    return hashlib.blake2b("\0".join(words).encode(), digest_size=12).hexdigest()


def require() -> None:
    """Raise BuildError if this machine has no C compiler."""
    if not compiler():
        raise BuildError("no C compiler: install cc (or name one in CC), or go without: Python runs everything, slower")


def objects_of(files: Mapping[str, str], level: str) -> dict[str, str]:
    """Return what each file's object is kept as; comments have no say in it."""
    return {name: f"{name_of(code_of(text), level)}.o" for name, text in files.items()}


def missing(files: Mapping[str, str], level: str) -> int:
    """Return how many bytes of C would have to be compiled."""
    directory = cache_directory()
    absent = [name for name, kept in objects_of(files, level).items() if not (directory / kept).exists()]
    return sum(len(files[name]) for name in absent)


def compiled(files: Mapping[str, str], level: str = FAST, directory: Path | None = None) -> Path:
    """Return the shared object of a translation; what of it is not kept, in ``directory`` or the
    user's cache, is compiled.

    Raises BuildError.
    """
    require()
    directory = directory or cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    objects = objects_of(files, level)
    found = directory / f"{name_of(*objects.values())}.so"
    with tempfile.TemporaryDirectory(dir=directory, prefix=SCRATCH) as scratch:
        for name, kept in objects.items():
            if not _is_kept(directory / kept):
                source = Path(scratch, f"{name}.c")
                source.write_text(files[name], encoding="utf-8")
                _run([*level.split(), "-c", str(source)], directory / kept, Path(scratch))
        if not _is_kept(found):
            _run(["-shared", *(str(directory / kept) for kept in objects.values())], found, Path(scratch))
    trim(directory)
    return found


def _is_kept(file: Path) -> bool:
    """Return whether a file is kept; note that it is used."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True


def _run(words: list[str], made: Path, scratch: Path) -> None:
    """Have the compiler make a file, whole or not at all."""
    new = scratch / made.name
    done = subprocess.run([compiler(), *FLAGS, *words, "-o", str(new)], capture_output=True, text=True, check=False)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
        raise BuildError(f"{compiler()} refused the translated kernel: {first}; Python runs it instead")
    new.replace(made)


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
