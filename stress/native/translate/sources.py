"""Live functions: their source as a syntax tree, what its text says of names, and what a body
captures.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from stress.native.translate.subset import Unsupported
from stress.native.translate.values import Home

OBJECTIONS = ("violated", "fail")
"""How a checker objects (:meth:`sim.checks.base.Checker.violated`), and the machine fails."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _Unchained(ast.NodeTransformer):
    """Makes ``a <= b < c`` an ``and``: C must read no more cells than Python does. A call in the
    middle stays where it is, as it may be made once only.
    """

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        parts = [node.left, *node.comparators]
        if len(parts) == 2 or any(isinstance(n, ast.Call) for part in parts[1:-1] for n in ast.walk(part)):
            return node
        pairs = zip(parts, node.ops, parts[1:], strict=False)
        tests: list[ast.expr] = [ast.copy_location(ast.Compare(a, [op], [b]), node) for a, op, b in pairs]
        return ast.copy_location(ast.BoolOp(ast.And(), tests), node)


@cache
def children(node: ast.AST) -> tuple[ast.AST, ...]:
    """Return the nodes right below ``node``: a function is looked through many times."""
    found: list[ast.AST] = []
    for name in node._fields:
        below = getattr(node, name, None)
        if isinstance(below, ast.AST):
            found.append(below)
        elif isinstance(below, list):
            found += [part for part in below if isinstance(part, ast.AST)]
    return tuple(found)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``node`` and all nodes below it."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += children(node)[::-1]


@cache
def said(statement: ast.stmt) -> str:
    """Return the first line of a statement, without the statements in it."""
    if isinstance(statement, ast.If | ast.For | ast.While | ast.FunctionDef | ast.AsyncFunctionDef):
        statement = copy(statement)
        statement.body = [ast.Pass()]
        statement.__dict__ |= {"orelse": []} if "orelse" in statement._fields else {}
    return ast.unparse(statement).splitlines()[0]


@cache
def _functions(text: str) -> dict[tuple[int, str], list[Function]]:
    """Return the functions of a source text by (first line, name)."""
    found: dict[tuple[int, str], list[Function]] = {}
    for node in walk(_Unchained().visit(ast.parse(text))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            decorators = getattr(node, "decorator_list", [])
            line = decorators[0].lineno if decorators else node.lineno
            found.setdefault((line, getattr(node, "name", "<lambda>")), []).append(node)
    return found


def node_of(function: Callable[..., Any]) -> Function:
    """Return the syntax tree of a live function; lambdas of one line are told apart by columns."""
    code: CodeType = function.__code__
    text = "".join(linecache.getlines(code.co_filename))  # of a patch: what was run, whatever the file holds by now
    found = _functions(text)[code.co_firstlineno, code.co_name]
    if len(found) == 1:
        return found[0]
    names = code.co_varnames[: code.co_argcount]
    alike = [node for node in found if tuple(arg.arg for arg in node.args.args) == names]
    places = [place for place in code.co_positions() if None not in place and place[3] > place[2]]  # type: ignore[operator]
    return max(alike, key=lambda node: sum(_covers(node, *place) for place in places))


def _covers(node: Function, line: Any, end_line: Any, column: Any, end_column: Any) -> bool:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return bool(
        node.lineno <= line
        and end_line <= node.end_lineno
        and (line > node.lineno or column >= node.col_offset)
        and (end_line < node.end_lineno or end_column <= node.end_col_offset)
    )


def member(obj: Any, name: str) -> Any:
    """Return what the class of ``obj`` has under a name, as it is written there; None if nothing."""
    cls: Any = type(obj)
    return _member(cls, name)


@cache
def _member(cls: Any, name: str) -> Any:
    return inspect.getattr_static(cls, name, None)


def inner_function(function: Any) -> CodeType:
    """Return the code of the only function that is defined inside another."""
    (found,) = (code for code in function.__code__.co_consts if isinstance(code, CodeType))
    return found


def captures(function: Any) -> dict[str, Any]:
    """Return what a live closure has captured, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells}


@cache
def free_names(node: ast.AST) -> frozenset[str]:
    """Return every name that occurs in ``node``."""
    return frozenset(n.id for n in walk(node) if isinstance(n, ast.Name))


@cache
def stores(node: ast.AST) -> dict[str, int]:
    """Return how often each name is bound in ``node``; names of loops and of ``+=`` count as many."""
    found: dict[str, int] = {}
    for n in walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            found[n.id] = found.get(n.id, 0) + 1
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
            found[n.target.id] = 9
        if isinstance(n, ast.For | ast.comprehension):
            found.update((t.id, 9) for t in walk(n.target) if isinstance(t, ast.Name))
    return found


@cache
def awaits(node: ast.AST) -> bool:
    """Return whether an await occurs in ``node``."""
    return any(isinstance(n, ast.Await) for n in walk(node))


def is_objection(node: ast.AST) -> bool:
    """Return whether ``node`` has a checker or the machine fail."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OBJECTIONS


def objects_always(node: Function) -> bool:
    """Return whether a function's body comes to an objection whatever it is given."""
    body = [] if isinstance(node, ast.Lambda) else node.body
    returns = any(isinstance(n, ast.Return) for n in walk(node))
    return not returns and any(isinstance(s, ast.Expr) and is_objection(s.value) for s in body)


@cache
def words_only(node: Function) -> frozenset[str]:
    """Return the local names that are read only to word a violation: nothing of them is translated."""
    found = frozenset(stores(node))
    while True:
        used: set[str] = set()
        for child in children(node):
            _uses(child, found, used)
        if not found & used:
            return found & {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        found -= used


def _uses(node: ast.AST, wording: frozenset[str], used: set[str]) -> None:
    """Collect the names that ``node`` reads for more than words."""
    if is_objection(node):
        return
    if isinstance(node, ast.Assign):
        bound = [
            n.id for t in node.targets for n in walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        if bound and all(name in wording for name in bound) and not awaits(node):
            return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        used.add(node.id)
    for child in children(node):
        _uses(child, wording, used)


def list_width(node: Function, name: str) -> int:
    """Return the words of an element of the empty list bound to ``name``, from what is put into it."""
    for n in walk(node):
        match n:
            case ast.Call(ast.Attribute(ast.Name(found), "append"), [element]) if found == name:
                return width(element)
            case ast.AugAssign(ast.Name(found), _, ast.ListComp(element)) if found == name:
                return width(element)
    return 1


def width(element: ast.expr) -> int:
    """Return the words of a list's element; a starred part counts as two."""
    if not isinstance(element, ast.Tuple):
        return 1
    return sum(2 if isinstance(part, ast.Starred) else 1 for part in element.elts)


def home_of(function: Callable[..., Any]) -> Home:
    """Return where a live function's text is from."""
    names = function.__code__.co_freevars
    cells = dict(zip(names, function.__closure__ or (), strict=True))
    cls = cells["__class__"].cell_contents if "__class__" in cells else None
    return Home(function.__globals__, cls, function.__code__.co_filename)


# -- bodies ------------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[3]
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
    parts = {"kernel": kernel}
    parts |= {f"kernel.{name}": getattr(kernel, name) for name in ("world", "geometry", "arena")}
    parts |= {f"kernel.components[{name!r}]": part for name, part in kernel.components.items()}
    if scenario is not None:
        parts["scenario"] = scenario
    return {id(part): path for path, part in parts.items()}


def root_of(body: Callable[..., Any], kernel: Any, scenario: Any, owner: str) -> Root:
    """Take a body apart; ``owner`` is the scenario's name."""
    function: Any = body.__func__ if isinstance(body, MethodType) else body
    if not isinstance(function, FunctionType):
        raise Unsupported("captures", type(body).__name__)
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    captured = {name: cell.cell_contents for name, cell in sorted(cells) if name != "__class__"}
    parameters = code.co_varnames[: code.co_argcount]
    if isinstance(body, MethodType):
        if not parameters:
            raise Unsupported("captures", "an override that is a body itself")
        captured[parameters[0]] = body.__self__
    defaults = function.__defaults__ or ()
    captured |= dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    paths = paths_of(kernel, scenario)
    names = ", ".join(f"{name}={_named(value, kernel, paths)}" for name, value in captured.items())
    of = f" of {owner}" if "=scenario" in names else ""
    root = Root(
        f"{named(code.co_filename)}:{code.co_firstlineno} {function.__qualname__}({names}) {_text_of(code):08x}{of}",
        function,
        captured,
    )
    if len(root.args) > ARGS_MAX:
        raise Unsupported("captures", f"{len(root.args)} integers")
    return root


@cache
def _text_of(code: CodeType) -> int:
    """Return a number that changes with the text of a function."""
    constants = repr([x for x in code.co_consts if isinstance(x, int | str | None)])
    return zlib.crc32(code.co_code + constants.encode() + repr(code.co_names).encode())


@cache
def named(file: str) -> str:
    """Return how a file of source is called: its path in the project, or its own name."""
    path = Path(file)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


@cache
def label(file: str) -> str:
    """Return a file of source as a word of C: ``memory`` for sim/mm/memory.py, ``checks_rmap`` for
    sim/checks/rmap.py, ``patch_mine`` for a user's mine.py.
    """
    parts = Path(named(file)).with_suffix("").parts
    plain = parts[-1:] if parts[:-1] == ("sim", "mm") else parts[-2:] if len(parts) > 1 else ("patch", *parts)
    return "".join(c if c.isalnum() else "_" for c in "_".join(plain))


def _named(value: Any, kernel: Any, paths: dict[int, str]) -> str:
    """Return a captured object in words."""
    if isinstance(value, int):
        return "int"
    if id(value) in paths:
        return paths[id(value)]
    for name, column in kernel.arena.columns.items():
        if value is column or value is column.view:
            return f"column {name}"
    raise Unsupported("captures", type(value).__name__)
