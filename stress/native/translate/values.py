"""What an expression of the model is while it is translated.

Components, columns, profiles and sites are objects that are there before anything runs: they are
looked through, and nothing of them is left in the C. What is left at run time is 64-bit words,
bounded lists of them, and records of both.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any


class Value:
    """Base of all that an expression can be."""


@dataclass(eq=False)
class Static(Value):
    """A Python object; ``path`` is how it is reached from the kernel or the scenario, "" for a
    constant.
    """

    obj: Any
    path: str = ""


@dataclass(eq=False)
class Word(Value):
    """A run-time integer: a C expression."""

    c: str

    @property
    def simple(self) -> bool:
        """Whether the expression may be written twice."""
        return is_simple(self.c)


@dataclass(eq=False)
class Row(Value):
    """A run-time list: the C expression of its address, and the words of an element."""

    base: str
    width: int = 1


@dataclass(eq=False)
class Group(Value):
    """A tuple."""

    items: list[Value]


@dataclass(eq=False)
class RecordType:
    """The shape of a dataclass: field -> ("word", offset), ("list", offset of its address, width),
    ("record", offset of its address, type) or ("static", value).
    """

    cls: type
    fields: dict[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(eq=False)
class Record(Value):
    """An object of a dataclass at the C address ``base``."""

    base: str
    type: RecordType


@dataclass(eq=False)
class Home:
    """Where a function's text is from: its globals, the class that it is a method of, its file."""

    globals: dict[str, Any]
    cls: Any
    file: str


@dataclass(eq=False)
class Closure(Value):
    """A function or lambda defined inside one that is translated."""

    node: ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda
    env: dict[str, Value]
    home: Home


@dataclass(eq=False)
class Call(Value):
    """A coroutine that is not awaited yet."""

    function: Static | Closure
    args: list[Value]


@dataclass(eq=False)
class Choice(Value):
    """One of two values that are no words, by a run-time condition."""

    test: str
    yes: Value
    no: Value


@dataclass(eq=False)
class Lazy(Value):
    """enumerate(...), zip(...) or range(...), looped over later."""

    node: ast.expr


@dataclass(eq=False)
class Cells(Value):
    """Cells of a column: ``count`` from ``first`` on."""

    column: Any
    first: str
    count: str


@dataclass(eq=False)
class Method(Value):
    """A method of a run-time value, or of a column."""

    owner: Value
    name: str


@dataclass(eq=False)
class Primitive(Value):
    """A method of the machine; with ``args`` once it is called."""

    name: str
    args: list[Value] | None = None


@dataclass(eq=False)
class OneOf(Value):
    """One of several objects of a class, by a run-time index: the task of a CPU."""

    objs: list[Any]
    index: str
    path: str


@dataclass(eq=False)
class Stream(Value):
    """A stream of random words: the C expression of its address."""

    c: str


def is_simple(c: str) -> bool:
    """Return whether a C expression is a name or a number, which may be written twice."""
    return re.fullmatch(r"-?\w+|a\[\d\]|\(-?\d+LL\)", c) is not None


def number(value: int) -> str:
    """Return an integer as C."""
    return str(value) if abs(value) < 1 << 31 else f"({value}LL)"


def same(a: Value | None, b: Value | None) -> bool:
    """Return whether two values are one and the same at run time."""
    if isinstance(a, Word) and isinstance(b, Word):
        return a.c == b.c
    if isinstance(a, Row) and isinstance(b, Row):
        return a.base == b.base
    if isinstance(a, Static) and isinstance(b, Static):
        return a.obj is b.obj or (isinstance(a.obj, int | str) and a.obj == b.obj)
    if isinstance(a, Group) and isinstance(b, Group):
        return len(a.items) == len(b.items) and all(map(same, a.items, b.items))
    if isinstance(a, Record) and isinstance(b, Record):
        return a.base == b.base
    return a is b
