"""What a function's translation is written with: lines of C, variables, lists, and their places.

A function that is no coroutine has C variables, and takes its lists from a stack of scratch words.
A coroutine's variables are words of its frame; a temporary that lives between two places where the
turn may be handed over is a C variable all the same.
"""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from collections.abc import Callable
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeVar

from stress.native.translate.sources import list_width, stores, words_only
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import (
    Cells,
    Choice,
    Group,
    Home,
    Record,
    RecordType,
    Row,
    Static,
    Value,
    Word,
    is_simple,
    number,
)

if TYPE_CHECKING:
    from stress.native.translate.unit import Unit

T = TypeVar("T")
_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
cap codes values word stream draw block out turn ask start finished arm begin go audit use bail mix ready held gates
"""
_TEMPORARY = re.compile(r"[tLl]\d+")
KEYWORDS = frozenset(_TAKEN.split())
"""What no variable may be called."""


class Emitter:
    """Lines, names and places; and what the layers above it promise."""

    def __init__(self, unit: Unit, node: Any, home: Home, is_async: bool) -> None:
        self.unit, self.node, self.home, self.is_async = unit, node, home, is_async
        self.name: str = getattr(node, "name", "lambda")
        self.env: dict[str, Value] = {}
        self.lines: list[str] = []
        self.temps: list[str] = []
        self.variables: dict[str, str] = {}
        self.names: set[str] = set()
        self.params: list[str] = []
        self.rows: list[str] = []
        self.heads = self.caps = self.labels = self.places = 0
        self.room: list[tuple[int, int, int]] = []
        """What lies behind a coroutine's frame: (words before it, elements before it, width of a
        list, or minus the words of a record).
        """
        self.loops: list[tuple[str, str]] = []
        self.returned: tuple[Any, ...] | None = None
        """The kind of what is returned, once a return has been translated."""
        self.stores = stores(node)
        self.words_only = words_only(node)

    # -- promised by the layers above ------------------------------------------------------------------------------

    @abstractmethod
    def value(self, node: ast.expr) -> Value:
        """Translate an expression."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Translate an assignment."""

    @abstractmethod
    def call(self, function: Value, args: list[Value], named: dict[str, Value]) -> Value:
        """Translate a call."""

    @abstractmethod
    def primitive(self, name: str, args: list[Value], named: dict[str, Value]) -> Value:
        """Translate a call of the machine."""

    @abstractmethod
    def as_row(self, value: Value) -> Row:
        """Return a value as a list: itself, or a copy."""

    @abstractmethod
    def await_(self, value: Value) -> Value:
        """Translate an await."""

    # -- lines -----------------------------------------------------------------------------------------------------

    def emit(self, line: str) -> None:
        """Add a line of C."""
        self.lines.append(line)

    def aside(self, do: Callable[[], T]) -> tuple[T, list[str]]:
        """Return what ``do`` returns and the lines that it would emit."""
        kept, self.lines = self.lines, []
        try:
            return do(), self.lines
        finally:
            self.lines = kept

    def label(self) -> str:
        """Return a new label."""
        self.labels += 1
        return f"l{self.labels}"

    def place(self) -> int:
        """Return the number of a new place where the function can stand."""
        self.places += 1
        return self.places

    # -- names -----------------------------------------------------------------------------------------------------

    def temp(self, init: str | None = None) -> str:
        """Return a new temporary, that is set before it is read wherever it is used."""
        name = f"t{len(self.temps) + 1}"
        self.temps.append(name)
        if init is not None:
            self.emit(f"{name} = {init};")
        return name

    def kept(self, init: str | None = None) -> str:
        """Return a new variable without a name, that lives on while the turn is handed over."""
        name = self.fresh("n")
        if init is not None:
            self.emit(f"{name} = {init};")
        return name

    def fresh(self, name: str) -> str:
        """Return a new C variable's name that resembles ``name``."""
        base = f"{name}_" if name in KEYWORDS or _TEMPORARY.fullmatch(name) else name
        found = next(c for c in chain([base], (f"{base}_{k}" for k in count(2))) if c not in self.names)
        self.names.add(found)
        return found

    def variable(self, name: str) -> str:
        """Return the C variable of a local name, made when it is first asked for."""
        if name not in self.variables:
            self.variables[name] = self.fresh(name)
        return self.variables[name]

    def plain(self, c: str) -> str:
        """Return ``c``, or a temporary that holds it, so that it can be written twice."""
        return c if is_simple(c) else self.temp(c)

    # -- words -----------------------------------------------------------------------------------------------------

    def c(self, value: Value) -> str:
        """Return a value as a C integer expression."""
        if isinstance(value, Word):
            return value.c
        if isinstance(value, Static):
            if isinstance(value.obj, int) and not isinstance(value.obj, type):
                return number(int(value.obj))
            if value.obj is None:
                return "0"
        if isinstance(value, Row):
            return f"({value.base}[0] != 0)"
        if isinstance(value, Choice):
            return f"({value.test} ? {self.c(value.yes)} : {self.c(value.no)})"
        raise Unsupported("not an integer", self.describe(value))

    def truth(self, value: Value) -> bool | str:
        """Return a condition: known, or a C expression."""
        if isinstance(value, Static) and not isinstance(value.obj, memoryview):
            self.unit.assume(value, "bool({})") if not isinstance(value.obj, int) else None
            return bool(value.obj)
        if isinstance(value, Word | Row | Choice):
            return self.c(value)
        items = getattr(value, "items", None)
        return True if items is None else bool(items)

    def as_word(self, condition: bool | str) -> str:
        """Return a condition as C."""
        return str(int(condition)) if isinstance(condition, bool) else condition

    def describe(self, value: Value) -> str:
        """Return a value in words, for complaints."""
        return f"{value.obj!r}"[:60] if isinstance(value, Static) else type(value).__name__.lower()

    # -- lists and records -----------------------------------------------------------------------------------------

    def new_row(self, width: int = 1) -> Row:
        """Return a new list of this function, whose length is yet to be set."""
        if not self.is_async:
            name = f"L{len(self.rows) + 1}"
            self.rows.append(f"{name} = list_new({width})")
            return Row(name, width)
        base = f"LIST({self.heads}, {self.caps})"
        self.room.append((self.heads, self.caps, width))
        self.heads, self.caps = self.heads + 1, self.caps + width
        return Row(base, width)

    def empty_row(self, name: str) -> None:
        """Bind ``name`` to an empty list."""
        row = self.new_row(list_width(self.node, name))
        self.emit(f"{row.base}[0] = 0;")
        self.assign_row(name, row)

    def assign_row(self, name: str, row: Row) -> None:
        """Bind a name to a list: to its address, if it is bound again somewhere or that may change."""
        if self.stores.get(name) == 1 and name not in self.env and not row.base.startswith("P("):
            self.env[name] = row
            return
        variable = self.variable(name)
        self.emit(f"{variable} = (i64){row.base};")
        self.env[name] = Row(f"P({variable})", row.width)

    def copy_row(self, target: Row, source: Row) -> None:
        """Make a list equal to another."""
        if target.base != source.base:
            self.emit(f"list_copy({target.base}, {source.base}, {target.width});")

    def row_of(self, cells: Cells) -> Row:
        """Return a copy of a column's cells."""
        row = self.new_row()
        name = cells.column.name
        self.emit(f"list_cells({row.base}, c_{name}, n_{name}, {cells.first}, {cells.count});")
        return row

    def push(self, row: Row, value: Value) -> None:
        """Append to a list."""
        items = getattr(value, "items", None)
        words = [self.c(value)] if items is None else [self.plain(self.c(x)) for x in items]
        if len(words) != row.width:
            raise Unsupported("list width")
        if row.width == 1:
            self.emit(f"list_push({row.base}, {words[0]});")
            return
        at = self.temp(f"(i64)list_room({row.base}, {row.width})")
        self.emit(" ".join(f"P({at})[{k}] = {word};" for k, word in enumerate(words)))

    def element(self, row: Row, i: str) -> Value:
        """Return the element at a C index, which is checked."""
        if row.width == 1:
            return Word(f"AT({row.base}, {i})")
        i = self.plain(i)
        return Group([Word(f"ATW({row.base}, {row.width}, {i}, {k})") for k in range(row.width)])

    def cell(self, column: Any, i: str) -> str:
        """Return a cell of a column as C; the index is checked."""
        return f"{column.name}({i})"

    def new_record(self, kind: RecordType, words: int) -> Record:
        """Return a new record of this function."""
        if self.is_async:
            self.room.append((self.heads, self.caps, -words))
            self.heads += words
            return Record(f"LIST({self.heads - words}, {self.caps})", kind)
        name = f"L{len(self.rows) + 1}"
        self.rows.append(f"{name} = list_take({words})")
        return Record(name, kind)

    def field(self, record: Record, name: str) -> Value:
        """Return a field of a record."""
        found = record.type.fields.get(name)
        if found is None:
            raise Unsupported("attribute", name)
        if found[0] == "word":
            return Word(f"{record.base}[{found[1]}]")
        if found[0] == "list":
            return Row(f"P({record.base}[{found[1]}])", found[2])
        if found[0] == "record":
            return Record(f"P({record.base}[{found[1]}])", found[2])
        value: Value = found[1]
        return value
