"""Counts how often each override of a patch runs.

A count costs a call, and no coroutine: the class that counts hands on the coroutine that the
override makes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from stress.patch.load import Patch
from stress.patch.vet import parts_of

RUNS = "override_runs"
"""The attribute of a composed component that holds how often each of its overrides has run."""


def counting(patch: Patch) -> tuple[type, ...]:
    """Return the classes of ``patch``, each under a subclass of its own that counts the runs of its
    overrides; a kernel composed of them has counts of its own.
    """
    runs: dict[str, dict[str, int]] = {}
    found = []
    for part in parts_of(patch):
        names = {name: f"{part.component}.{name}" for name in part.members}
        mine = {name: full for name, full in names.items() if full in patch.overrides}
        counts = runs.setdefault(part.component, {})
        counts |= dict.fromkeys(mine.values(), 0)
        members: dict[str, Any] = {
            name: counted(getattr(part.cls, name), full, counts)
            if inspect.isfunction(part.members[name])
            else CountedValue(part.members[name], full, counts)
            for name, full in mine.items()
        }
        found.append(type(part.cls.__name__, (part.cls,), {**members, RUNS: counts}))
    return tuple(found)


def override_runs(kernel: Any) -> dict[str, int]:
    """Return how often each override of a composed kernel has run."""
    found: dict[str, int] = {}
    for component in getattr(kernel, "components", {}).values():
        found |= getattr(component, RUNS, {})
    return found


def add_runs(kernel: Any, runs: dict[str, int]) -> None:
    """Count runs of overrides of a composed kernel that it did not make itself."""
    for component in getattr(kernel, "components", {}).values():
        counts = getattr(component, RUNS, {})
        counts.update({name: counts[name] + runs[name] for name in counts.keys() & runs.keys()})


def counted(method: Callable[..., Any], name: str, counts: dict[str, int]) -> Callable[..., Any]:
    """Return ``method`` with its calls counted under ``name``."""

    @wraps(method)
    def run(*args: Any, **keywords: Any) -> Any:
        counts[name] += 1
        return method(*args, **keywords)

    return run


class CountedValue:
    """A class attribute whose reads are counted."""

    def __init__(self, value: Any, name: str, counts: dict[str, int]) -> None:
        self.value, self.name, self.counts = value, name, counts

    def __get__(self, part: object, owner: type) -> Any:
        self.counts[self.name] += part is not None
        getter = getattr(type(self.value), "__get__", None)
        return getter(self.value, part, owner) if getter is not None else self.value
