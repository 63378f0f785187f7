"""Where steps are made: the function of the model, its file and line, and the kernel's file that it
follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stress.trace.shell.actors import ROOT
from stress.trace.shell.kernel_files import kernel_file

if TYPE_CHECKING:
    from stress.trace.shell.film import Call, Film


@dataclass(frozen=True)
class Origin:
    """A kernel function that made steps: where it is in the kernel, and in the model."""

    function: str
    kernel: str
    """The file and the version; empty of hardware, and of a patch."""
    model: str
    """File, line and function of the model, or of a patch."""


def origins(film: Film, numbers: Iterable[int]) -> list[Origin]:
    """Return where the steps of these numbers were made, in their order, each function once."""
    found: dict[str, Origin] = {}
    for number in sorted(numbers):
        step = film.made[number - 1]
        standing = film.standing(number - 1)
        if standing.slot == step.slot and standing.calls:
            found.setdefault(step.site.function, origin(step.site.function, standing.calls[-1]))
    return list(found.values())


def origin(function: str, call: Call) -> Origin:
    """Return where a kernel function is, of which a step was made from ``call``."""
    name, file, line = call
    path = Path(file)
    shown = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return Origin(function, kernel_file(function, file), f"{shown}:{line} {name}")
