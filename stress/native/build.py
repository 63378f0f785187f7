"""Compiles a translation with the machine's C compiler, and keeps what it made.

Kept in the user's cache (``$XDG_CACHE_HOME/zapstress/native``), under a hash of the C, the compiler
and its flags; what has not been used for longest goes when there is more than CACHE_MIB_MAX.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from stress.errors import ZapstressError

FLAGS = ("-O1", "-fwrapv", "-fno-strict-aliasing", "-fPIC", "-shared", "-w")
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
    found = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return found.stdout.partition("\n")[0]


def cache_directory() -> Path:
    """Return where compiled kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zapstress" / "native"


def name_of(text: str) -> str:
    """Return what a translation is kept under."""
    words = (text, compiler(), _compiler_version(compiler()), *FLAGS)
    return hashlib.blake2b("\0".join(words).encode(), digest_size=12).hexdigest()


def compiled(text: str) -> Path:
    """Return the shared object of a translation, compiled if it is not kept. Raises BuildError."""
    if not compiler():
        raise BuildError("no C compiler: install cc (or name one in CC), or go without: Python runs everything, slower")
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    found = directory / f"{name_of(text)}.so"
    if found.exists():
        os.utime(found)
        return found
    with tempfile.TemporaryDirectory(dir=directory, prefix=SCRATCH) as scratch:
        source, made = Path(scratch, "kernel.c"), Path(scratch, "kernel.so")
        source.write_text(text, encoding="utf-8")
        command = [compiler(), *FLAGS, "-o", str(made), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise BuildError(f"{compiler()} refused the translated kernel: {first}; Python runs it instead")
        made.replace(found)
    trim(directory)
    return found


def trim(directory: Path) -> None:
    """Remove what was used longest ago, code and manifests, until at most CACHE_MIB_MAX is left;
    and what killed compilers have left behind.
    """
    for folder in directory.glob(f"{SCRATCH}*"):
        if time.time() - folder.stat().st_mtime > SCRATCH_HOURS_MAX * 3600:
            shutil.rmtree(folder, ignore_errors=True)
    files = [*directory.glob("*.so"), *directory.glob("*.json")]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > CACHE_MIB_MAX << 20:
            file.unlink(missing_ok=True)
