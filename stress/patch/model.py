"""What there is to be overridden: every class that can stand for a component of the model."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.core.component import Component, Part
from sim.core.machine import Machine

Place = tuple[str, str]
"""A profile and a kernel version, by name."""

_BASES = (Component, Part, object)
"""What every component has from these is no component's own."""


@dataclass(frozen=True)
class Model:
    """The classes of each component, by the profile and the version that they are composed for."""

    classes: dict[str, dict[Place, type]]

    @cached_property
    def _distinct(self) -> dict[str, tuple[type, ...]]:
        return {name: tuple(dict.fromkeys(places.values())) for name, places in self.classes.items()}

    def classes_of(self, component: str) -> tuple[type, ...]:
        """Return the classes that stand for ``component`` anywhere, each once."""
        return self._distinct.get(component, ())

    def members(self, component: str, places: Iterable[Place] = ()) -> set[str]:
        """Return the names of methods and class attributes that ``component`` has at one of
        ``places``, or anywhere if there are none.
        """
        here = {self.classes[component].get(place, object) for place in places} or self.classes_of(component)
        return {name for cls in here for name in dir(cls) if not hasattr(object, name)} | {"__init__"}

    def found(self, component: str, name: str) -> list[Any]:
        """Return what the classes of ``component`` have under ``name``, each once."""
        every = [inspect.getattr_static(cls, name) for cls in self.classes_of(component) if hasattr(cls, name)]
        return [value for at, value in enumerate(every) if not any(value is other for other in every[:at])]

    def places(self, component: str, name: str) -> list[Place]:
        """Return the places where ``component`` has ``name``."""
        return [place for place, cls in self.classes.get(component, {}).items() if hasattr(cls, name)]

    def elsewhere(self, name: str) -> Iterator[str]:
        """Yield the components that have a method or attribute of that name of their own."""
        for component, classes in self._distinct.items():
            if any(name in vars(base) for cls in classes for base in cls.__mro__ if base not in _BASES):
                yield component

    def is_awaited(self, component: str, name: str) -> bool | None:
        """Return whether callers await the method, or None if the component has none of that name."""
        return _is_awaited(self.found(component, name))


def primitive_is_awaited(name: str) -> bool | None:
    """Return whether the machine's primitive of that name is awaited, or None if there is none."""
    return _is_awaited([getattr(Machine, name)] if hasattr(Machine, name) else [])


def _is_awaited(methods: list[Any]) -> bool | None:
    functions = [method for method in methods if inspect.isfunction(method)]
    return any(returns_awaitable(function) for function in functions) if functions else None


def returns_awaitable(function: Any) -> bool:
    """Return whether the function is ``async def``, or says that it returns a coroutine."""
    says = str(function.__annotations__.get("return", ""))
    return inspect.iscoroutinefunction(function) or says.startswith(("Coroutine", "Awaitable"))
