"""The model's source files: where they are, their hash, and processes that run them.

A trace records the hash of the model that it was made with, so that a replay that differs can say
whether the model has changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import signal
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds sim/, stress/ and scenarios/."""


def version() -> str:
    """Return the installed version, or ``source`` in a tree that is not installed."""
    try:
        return importlib.metadata.version("zapstress")
    except importlib.metadata.PackageNotFoundError:
        return "source"


@cache
def model_sources(root: Path) -> bytes:
    """Return a hash over sim/**/*.py below ``root``, as they were when first asked.

    What runs is what was imported: files that are edited afterwards do not count.
    """
    total = hashlib.blake2b(digest_size=16)
    for file in sorted((root / "sim").rglob("*.py")):
        total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.digest()


def sources_hash() -> str:
    """Return a hash over the model's source (sim/**/*.py), 16 hex digits."""
    return hashlib.blake2b(model_sources(ROOT), digest_size=8).hexdigest()


@cache
def tool_hash() -> str:
    """Return a hash over all that runs (sim/, stress/ and scenarios/: Python and C), 16 hex digits,
    as it was when first asked.
    """
    total = hashlib.blake2b(digest_size=8)
    files = (file for room in ("sim", "stress", "scenarios") for file in (ROOT / room).rglob("*.*"))
    for file in sorted(file for file in files if file.suffix in (".py", ".c", ".h")):
        total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(128 << 10), "MALLOC_TRIM_THRESHOLD_": str(1 << 20)}
"""Has glibc give memory back. By default its bounds grow with what is freed: a worker that opens
and closes worlds would keep a hundred MiB between the blocks that are in use.
"""


def child(module: str, *arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a Python process that runs ``module`` of these
    sources, wherever the working directory is.

    ``environment`` is added to this process's own.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return [sys.executable, "-P", "-m", module, *arguments], MALLOC | os.environ | {"PYTHONPATH": path} | environment


OVERDUE = signal.SIGVTALRM
"""The signal that ends a child that has given no sign of life for too long. Nobody else sends it,
so that the exit status says why it ended.
"""


def end_overdue(pid: int) -> None:
    """End a child that has given no sign of life for too long, also one that is stopped.

    Raises ProcessLookupError if it is gone.
    """
    os.kill(pid, OVERDUE)
    os.kill(pid, signal.SIGCONT)


def ended_words(status: int) -> str:
    """Return how a process ended, by its exit status, as a predicate."""
    if status == -OVERDUE:
        return "gave no sign of life for too long and was ended"
    if status == -signal.SIGKILL:
        return "was killed with SIGKILL, by somebody or by a kernel that ran out of memory"
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
