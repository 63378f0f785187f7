"""The model's source files: where they are, their hash, and the user's own file beside them.

``--kernel`` takes a version, or ``FILE.py:CLASS``: a component of the user's that takes the place
of the model's. A trace records the hash of all that it was made with, so that a replay that differs
can say whether the model has changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
from functools import cache
from pathlib import Path

from stress.case import DEFAULT_KERNEL
from stress.errors import UsageError

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


def sources_hash(kernel: str = DEFAULT_KERNEL) -> str:
    """Return a hash over the model's source (sim/**/*.py, and the user's file if ``kernel`` names
    one), 16 hex digits.
    """
    total = hashlib.blake2b(model_sources(ROOT), digest_size=8)
    if is_file(kernel) and Path(kernel.rpartition(":")[0]).is_file():
        total.update(b"\0" + Path(kernel.rpartition(":")[0]).read_bytes())
    return total.hexdigest()


def is_file(kernel: str) -> bool:
    """Return whether ``kernel`` is ``FILE.py:CLASS`` and not a version."""
    return ".py:" in kernel


def user_component(kernel: str) -> type:
    """Load the class of ``FILE.py:CLASS``: a component, whose attribute ``component`` names what it
    overrides.

    Raises UsageError if the file cannot be loaded, or has no such class.
    """
    path, _, name = kernel.rpartition(":")
    spec = importlib.util.spec_from_file_location("zapstress_user_" + Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise UsageError(f"--kernel {kernel}: there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"--kernel {kernel}: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        raise UsageError(f"--kernel {kernel}: {path} defines no class {name}")
    if not isinstance(getattr(found, "component", None), str):
        raise UsageError(
            f"--kernel {kernel}: give {name} an attribute component = '...', the component that it overrides"
        )
    return found


def child(module: str, *arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a Python process that runs ``module`` of these
    sources, wherever the working directory is.

    ``environment`` is added to this process's own.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return [sys.executable, "-P", "-m", module, *arguments], os.environ | {"PYTHONPATH": path} | environment
