"""What of a case is looked up in a translation: its actors' bodies, and the conditions of their gates.

A body is known by its source and by what it captures; integers that it captures are its arguments.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from stress.native.subset import Unsupported

ROOT = Path(__file__).resolve().parents[2]
ARGS_MAX = 8
"""Integers that a body may capture (runtime.h)."""


@dataclass(frozen=True)
class Root:
    """A body, taken apart."""

    key: str
    function: FunctionType
    captured: dict[str, Any]
    """What it captures by name, in the order in which the integers are passed."""

    @property
    def args(self) -> list[int]:
        """The integers."""
        return [int(value) for value in self.captured.values() if isinstance(value, int)]


def paths_of(kernel: Any, scenario: Any = None) -> dict[int, str]:
    """Return the paths of a kernel's parts, and of a scenario, by their ids."""
    parts = {"kernel": kernel, "kernel.arena": kernel.arena}
    parts |= {f"kernel.{name}": getattr(kernel, name) for name in ("world", "geometry") if hasattr(kernel, name)}
    parts |= {f"kernel.components[{name!r}]": part for name, part in getattr(kernel, "components", {}).items()}
    if scenario is not None:
        parts["scenario"] = scenario
    return {id(part): path for path, part in parts.items()}


def root_of(body: Callable[..., Any], kernel: Any, scenario: Any, owner: str) -> Root:
    """Take a body apart; ``owner`` is the scenario's name."""
    function: Any = body.__func__ if isinstance(body, MethodType) else body
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    captured = {name: cell.cell_contents for name, cell in sorted(cells) if name != "__class__"}
    parameters = code.co_varnames[: code.co_argcount]
    if isinstance(body, MethodType):
        captured[parameters[0]] = body.__self__
    defaults = function.__defaults__ or ()
    captured |= dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    file = Path(code.co_filename)
    place = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
    paths = paths_of(kernel, scenario)
    names = ", ".join(f"{name}={_named(value, kernel, paths)}" for name, value in captured.items())
    constants = repr([x for x in code.co_consts if isinstance(x, int | str | None)])
    which = zlib.crc32(code.co_code + constants.encode() + repr(code.co_names).encode())
    of = f" of {owner}" if "=scenario" in names else ""
    root = Root(f"{place}:{code.co_firstlineno} {function.__qualname__}({names}) {which:08x}{of}", function, captured)
    if len(root.args) > ARGS_MAX:
        raise Unsupported("captures", f"{len(root.args)} integers")
    return root


def _named(value: Any, kernel: Any, paths: dict[int, str]) -> str:
    """Return a captured object in words."""
    if isinstance(value, int):
        return "int"
    for name, column in kernel.arena.columns.items():
        if value is column or value is column.view:
            return f"column {name}"
    if id(value) not in paths:
        raise Unsupported("captures", type(value).__name__)
    return paths[id(value)]
