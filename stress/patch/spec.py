"""What ``--patch`` takes: a file, and which of its classes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from stress.errors import UsageError

SUFFIX = ".py"

KEPT = "code"
"""The folder of a results directory that keeps the user's files."""

MARK = "@"
"""What begins, in a kept path, a part that no folder of the user's is called."""

ELSEWHERE = {"/": f"{MARK}root", "..": f"{MARK}up"}
"""What is written in a kept path for what would lead out of the folder."""


@dataclass(frozen=True)
class Spec:
    """One ``--patch``: the file's path as it was given, and the classes named; none is all."""

    path: str
    classes: tuple[str, ...] = ()


def names_a_file(text: str) -> bool:
    """Return whether ``text``, given as a kernel, is ``FILE.py`` or ``FILE.py:CLASS`` and no
    version.
    """
    return text.endswith(SUFFIX) or f"{SUFFIX}:" in text


def parse(text: str) -> Spec:
    """Return the spec that ``text`` is. Raises UsageError."""
    path, colon, names = (text, "", "") if text.endswith(SUFFIX) else text.rpartition(":")
    classes = tuple(name.strip() for name in names.split(",")) if colon else ()
    if not path.endswith(SUFFIX) or not all(name.isidentifier() for name in classes):
        raise UsageError(f"--patch {text}: write FILE.py, or FILE.py:CLASS,CLASS")
    return Spec(path, classes)


def kept(spec: str) -> str:
    """Return what ``--patch`` or ``--scenario`` takes to name the file that a results directory
    keeps of ``spec``, from within the directory.
    """
    path, colon, names = (spec, "", "") if spec.endswith(SUFFIX) else spec.rpartition(":")
    return PurePath(KEPT, *map(_kept_part, PurePath(path).parts)).as_posix() + colon + names


def _kept_part(part: str) -> str:
    """Return what is written for a part of a path: another one for each part that there is."""
    return ELSEWHERE.get(part) or (f"{MARK}{part}" if part.startswith(MARK) else part)


def options(specs: Iterable[str], option: str = "--patch") -> str:
    """Return ``specs`` as options that a shell takes, with a space before each; ``""`` for none."""
    return "".join(f" {option} {shlex.quote(text)}" for text in specs)
