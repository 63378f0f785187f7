"""The sites that a composed kernel and its scenario can visit.

Modules declare sites for every version and architecture, so what a process knows of is more than
what one kernel can do. A kernel can visit the sites that the code of its own methods names: of an
overridden method only where the override calls it (``super()``).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from sim.core.machine import SITES
from sim.core.step import SITE_SHIFT

CLASSES_MAX = 1024
"""Classes of which it is kept what sites they visit: those of a few dozen kernels."""


def sites_of(*objects: Any) -> set[str]:
    """Return the names of the sites that methods of ``objects``, and of what they hold, can visit."""
    found: set[int] = set()
    for cls in _classes(objects):
        found |= _sites_of_class(cls)
    return {SITES[number].name for number in found}


@lru_cache(maxsize=CLASSES_MAX)
def _sites_of_class(cls: type) -> frozenset[int]:
    """Return the numbers of the sites that a class's methods can visit."""
    found: set[int] = set()
    seen: set[CodeType] = set()
    for function in _methods(cls):
        _scan(function, found, seen, cls)
    return frozenset(found)


def _classes(objects: tuple[Any, ...]) -> set[type]:
    """Return the classes of objects and of their attributes, also of those in lists."""
    held = list(objects)
    for thing in objects:
        for value in getattr(thing, "__dict__", {}).values():
            held += value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else [value]
    return {type(thing) for thing in held if type(thing).__module__ != "builtins"}


def _methods(cls: type) -> Iterator[FunctionType]:
    """Yield the functions that a class runs.

    Of each name they are the first in the order of resolution, and those that it passes on to.
    """
    passed: dict[str, bool] = {}
    for base in cls.__mro__:
        for name, value in vars(base).items():
            function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
            if isinstance(function, FunctionType) and passed.get(name, True):
                passed[name] = "super" in function.__code__.co_names
                yield function


def _scan(function: FunctionType, found: set[int], seen: set[CodeType], cls: type) -> None:
    """Add the sites that a function of a class names, of its module or of the class, and those of
    the functions that it names.
    """
    found.update(_numbers(function.__defaults__))
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        if code in seen:
            continue
        seen.add(code)
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, FunctionType):
                _scan(value, found, seen, cls)
            elif name.lstrip("_").isupper():
                found.update(_numbers(getattr(cls, name, None) if value is None else value))


def _numbers(value: object) -> Iterator[int]:
    """Yield the numbers of the sites whose codes are in a constant."""
    if type(value) is int:
        number, rest = divmod(value, 1 << SITE_SHIFT)
        if not rest and 0 < number < len(SITES) and SITES[number].step:
            yield number
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, dict):
        yield from _numbers([*value.values()])
