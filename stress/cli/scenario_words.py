"""A scenario in words, for ``zapstress list scenarios NAME``: what it is for, its parameters, what
runs before, and what then runs at once, line by line.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any

from sim.core.profile import SMALL
from stress.case import DEFAULT_KERNEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from stress.catalogue import Catalogue

CODE_COLUMNS = 88
"""How wide a line of an actor's code is shown at most."""


def scenario_data(name: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return what a scenario is, as plain data. Raises UsageError if there is none of that name."""
    known = catalogue.choose_scenario(name)
    cls = catalogue.scenario_class(known)
    profile = catalogue.profile(next(iter(catalogue.profiles()))).at(DEFAULT_KERNEL)
    sets = cls.parameters(profile, SMALL)
    scenario = cls(profile, SMALL, sets[0])
    world = scenario.world()
    return {
        "name": known,
        "about": inspect.cleandoc(sys.modules[cls.__module__].__doc__ or ""),
        "parameters": sorted(sets[0]),
        "parameters_about": inspect.cleandoc(cls.__doc__ or "") if sets[0] else "",
        "parameter_sets": {profile.name: len(sets)},
        "cpus": world.cpus,
        "setup": [{"cpu": cpu, "about": told(body)} for cpu, body in scenario.setup()],
        "actors": [{"name": actor, "cpu": cpu, "code": code(body)} for actor, cpu, body in scenario.actors()],
    }


def plain(body: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a body."""
    while isinstance(body, partial):
        body = body.func
    return body


def told(body: Callable[..., Any]) -> str:
    """Return what a body says of itself, or its code."""
    words = " ".join((plain(body).__doc__ or "").split())
    return words or "; ".join(code(body))


def code(body: Callable[..., Any]) -> list[str]:
    """Return the lines of a body, without its docstring; its name if it has no source."""
    function = inspect.unwrap(plain(body))
    node = node_of(getattr(function, "__func__", function))
    if node is None:
        return [getattr(function, "__name__", "code without a source")]
    if isinstance(node, ast.Lambda):
        lines = [f"await {ast.unparse(node.body)}"]
    else:
        statements = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        lines = [line for statement in statements for line in ast.unparse(statement).splitlines()]
    return [line.replace("await self.task(", "await task(") for line in lines]


def node_of(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """Return the syntax of a function: the one of its kind in which most of its instructions stand;
    None if it has no source.
    """
    try:
        tree = ast.parse("".join(inspect.findsource(function)[0]))
        places = [(line or 0, column or 0) for line, _, column, _ in function.__code__.co_positions()]
    except (OSError, TypeError, SyntaxError, AttributeError):
        return None
    kinds = (ast.Lambda,) if function.__name__ == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)

    def inside(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> tuple[int, int, int]:
        end = (node.end_lineno or 0, node.end_col_offset or 0)
        return sum((node.lineno, node.col_offset) <= at < end for at in places), node.lineno, node.col_offset

    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return max(nodes, key=inside, default=None)


def scenario_text(data: dict[str, Any]) -> str:
    """Return a scenario for people."""
    out = [data["name"], "", data["about"]]
    if data["parameters"]:
        sets = ", ".join(f"{count} sets on {profile}" for profile, count in data["parameter_sets"].items())
        out += ["", f"parameters: {', '.join(data['parameters'])} ({sets}, small geometry)"]
        out += textwrap.wrap(data["parameters_about"], CODE_COLUMNS, initial_indent="  ", subsequent_indent="  ")
    if data["setup"]:
        out += ["", "before, one after the other:", *(f"  cpu{row['cpu']}  {row['about']}" for row in data["setup"])]
    out += ["", f"then at once, on {data['cpus']} CPUs:"]
    width = max((len(actor["name"]) for actor in data["actors"]), default=0)
    for actor in data["actors"]:
        head = f"  cpu{actor['cpu']} {actor['name']:<{width}}  "
        for line in actor["code"]:
            out.append(head + line)
            head = " " * len(head)
    return "\n".join(out)
