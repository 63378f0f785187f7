"""One translation unit: what the functions of a composed kernel, translated together, share.

Translation is partial evaluation of live objects. A method call is resolved by the method order of
the composed class, a closure by its cells. An integer that belongs to the world, the geometry or a
scenario's parameters is no literal in the C but an *entry* of a table, named by the path by which
it is reached (``kernel.world.pages``): so one unit serves every case of its kernel. Where the shape
of the C depends on such an object all the same (the length of a tuple, say), the unit *assumes* it,
and a case for which that does not hold is not run natively.
"""

from __future__ import annotations

import inspect
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from itertools import count
from types import FunctionType, MethodType, ModuleType
from typing import Any

from sim.core.arena import Column
from sim.core.machine import SITES, Machine
from sim.core.step import SITE_SHIFT, site_of
from stress.native.translate.sources import free_names, label, member, paths_of
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import (
    Call,
    Choice,
    Closure,
    Group,
    OneOf,
    Record,
    RecordType,
    Row,
    Static,
    Stream,
    Value,
    Word,
    number,
)
from stress.patch.counting import CountedValue
from stress.scenario import Scenario
from stress.strategies import Strategy

CHECK_FIRST = 1 << 32
"""The first bail-out number that stands for a check (``CHECK`` in runtime.h)."""

Shape = tuple[Any, ...]


@dataclass(frozen=True)
class TableEntry:
    """A word of the table: its name in the C, and the path that gives its value for a case."""

    name: str
    path: str
    owner: str
    """The scenario whose path it is; "" for the kernel's."""
    kind: str
    """"word", or "list": the address of a list of integers."""


class Unit:
    """What is known of one kernel, bound to an arena and a machine as an example of its cases."""

    def __init__(self, kernel: Any, machine: Machine, translator: Callable[..., Any]) -> None:
        self.kernel, self.machine, self.translator = kernel, machine, translator
        self.scenario = ""
        self.paths = paths_of(kernel)
        self.columns: dict[int, Column] = {}
        for column in kernel.arena.columns.values():
            self.columns[id(column)] = self.columns[id(column.view)] = column
        self.entries: dict[tuple[str, str], TableEntry] = {}
        self.sites: dict[int, str] = {}
        self.functions: dict[Shape, Any] = {}
        self.done: list[Any] = []
        self.predicates: dict[str, str] = {}
        """Name of a wait's condition -> the C expression that it returns."""
        self.checks: dict[int, tuple[str, int]] = {}
        """Bail-out number of a place where a checker objects -> function, line."""
        self.overrides: dict[str, str] = {}
        """Override of a patch -> the C name of the counter of its runs."""
        self.names: set[str] = set()
        self.places: Counter[str] = Counter()
        self.assumptions: dict[tuple[str, str], Any] = {}
        self.held: dict[int, dict[str, str]] = {}
        """Strategy -> attribute -> "word", "list" or "stream": what it keeps in run-time memory."""
        self.tables: dict[tuple[int, ...], str] = {}
        self.records: dict[Shape, RecordType] = {}
        self.frozen: dict[Shape, Any] = {}
        self.kept: list[object] = []
        """Keeps alive what is known by its id."""

    def enter(self, scenario: Scenario, name: str) -> None:
        """Translate bodies of ``scenario`` from here on."""
        self.scenario = name
        self.paths[id(scenario)] = "scenario"
        self.kept.append(scenario)

    # -- objects that are known ------------------------------------------------------------------------------------

    def lift(self, obj: Any, path: str = "") -> Value:
        """Return the value that a live object is."""
        if isinstance(obj, int) and not isinstance(obj, type):
            if obj >> SITE_SHIFT and not obj & (1 << SITE_SHIFT) - 1 and site_of(obj) < len(SITES):
                return Word(self.site(obj))
            return Word(self.entry(path)) if path else Static(int(obj))
        if id(obj) in self.columns:
            return Static(self.columns[id(obj)])
        return Static(obj, self.paths.get(id(obj), path))

    def entry(self, path: str, kind: str = "word") -> str:
        """Return the C name of the table's entry for ``path``."""
        owner = self.owner(path)
        found = self.entries.get((owner, path))
        if found is None:
            plain = path.replace("kernel.components", "").replace("kernel.", "").replace("scenario", owner)
            found = self.entries[owner, path] = TableEntry(self.name(f"k_{plain}"), path, owner, kind)
        return found.name

    def name(self, plain: str) -> str:
        """Return a C name that nothing else in the unit has, made from ``plain``. It depends on
        nothing but that and the names like it, so that an edit changes few.
        """
        base = "_".join("".join(c if c.isalnum() or c == "_" else " " for c in plain).split())
        found = next(name for n in count(1) if (name := base if n == 1 else f"{base}_{n}") not in self.names)
        self.names.add(found)
        return found

    def site(self, code: int) -> str:
        """Return the C name of a site, whose number is in the table."""
        if code not in self.sites:
            self.sites[code] = self.name(f"site_{SITES[site_of(code)].name}")
        return self.sites[code]

    def owner(self, path: str) -> str:
        """Return the scenario whose path it is, or ""."""
        return self.scenario if path.startswith("scenario") else ""

    def varying(self, value: Value) -> str:
        """Return the C name of the list that a tuple of integers is in the table; "" if it is none."""
        if not isinstance(value, Static) or not value.path or not isinstance(value.obj, tuple | list) or not value.obj:
            return ""
        return self.entry(value.path, "list") if all(isinstance(x, int) for x in value.obj) else ""

    def attribute(self, owner: Static, name: str) -> Value | None:
        """Return an attribute of a known object; None if it is a property to be translated."""
        obj = owner.obj
        static = member(obj, name)
        static = static.value if isinstance(static, CountedValue) else static
        if isinstance(static, property) and not isinstance(obj, Scenario):
            return None
        try:
            value = getattr(obj, name)
        except AttributeError:
            raise Unsupported("attribute", name) from None
        path = f"{owner.path}.{name}" if owner.path else ""
        if isinstance(value, MethodType):
            return Static(value, path)
        own = isinstance(static, property) or name in getattr(obj, "__dict__", {})
        if own and not path and not is_constant(obj):
            raise Unsupported("attribute", f"{name} of a {type(obj).__name__} that is reached by no path")
        return self.lift(value, path if own else "")

    def assume(self, value: Static, what: str) -> None:
        """Let the unit hold only where ``what`` of the object at its path is what it is here."""
        if value.path:
            path = what.format(value.path)
            self.assumptions[self.owner(value.path), path] = eval(what.format("obj"), {"obj": value.obj})

    def items(self, value: Static) -> list[Value]:
        """Return the elements of a known tuple or list, whose length is assumed."""
        self.assume(value, "len({})")
        return [self.lift(x, f"{value.path}[{k}]" if value.path else "") for k, x in enumerate(value.obj)]

    def check(self, function: str, line: int, file: str) -> int:
        """Return the number of a place where a checker objects: the n-th of its function, whatever
        its line.
        """
        place = f"{label(file)} {function}"
        self.places[place] += 1
        number = zlib.crc32(f"{place} {self.places[place]}".encode()) | CHECK_FIRST
        while number in self.checks:
            number += 1
        self.checks[number] = function, line
        return number

    def runs(self, override: str) -> str:
        """Return the C name of the counter of an override's runs."""
        if override not in self.overrides:
            self.overrides[override] = self.name(f"runs_{override}")
        return self.overrides[override]

    def predicate(self, c: str) -> str:
        """Return the name of a wait's condition."""
        name = f"ready_{zlib.crc32(c.encode()):08x}"
        assert self.predicates.setdefault(name, c) == c
        return name

    def table(self, values: tuple[int, ...]) -> str:
        """Return the name of a constant list of integers."""
        return self.tables.setdefault(values, f"table_{zlib.crc32(repr(values).encode()):08x}")

    # -- functions -------------------------------------------------------------------------------------------------

    def function(self, function: Static | Closure, args: list[Value], is_async: bool) -> tuple[Any, list[str]]:
        """Return the translation of a function for arguments of these shapes, and the words to call
        it with.
        """
        shape, words = self.shape(function)
        shapes = [self.shape(arg) for arg in args]
        key = (shape, tuple(s for s, _ in shapes), is_async)
        words = words + [word for _, more in shapes for word in more]
        found = self.functions.get(key)
        if found is None:
            found = self.functions[key] = self.translator(self, function, args, is_async, len(words))
            try:
                found.translate()
            except Unsupported:
                del self.functions[key]
                raise
        return found, words

    def shape(self, value: Value) -> tuple[Shape, list[str]]:
        """Return what a value is but for run-time words, and those words."""
        match value:
            case Static():
                return self._static_shape(value)
            case Word(c):
                return ("word",), [c]
            case Row(base, width):
                return ("list", width), [f"(i64){base}"]
            case Record(base, kind):
                return ("record", id(kind)), [f"(i64){base}"]
            case Stream(c):
                return ("stream",), [f"(i64){c}"]
            case OneOf(_, index, path):
                return ("member", path), [index]
            case Group(items):
                return self._joined("group", items)
            case Choice(test, yes, no):
                shape, words = self._joined("choice", [yes, no])
                return shape, [test, *words]
            case Call(function, args):
                return self._joined("call", [function, *args])
            case Closure(node, env):
                self.kept.append(node)
                names = captured(value)
                shape, words = self._joined("closure", [env[name] for name in names])
                return (*shape, id(node), names), words
        raise Unsupported("arguments", type(value).__name__)

    def _joined(self, kind: str, values: list[Value]) -> tuple[Shape, list[str]]:
        shapes = [self.shape(v) for v in values]
        return (kind, *(s for s, _ in shapes)), [word for _, words in shapes for word in words]

    def _static_shape(self, value: Static) -> tuple[Shape, list[str]]:
        obj = value.obj
        if isinstance(obj, int) and not isinstance(obj, type):
            return ("word",), [number(int(obj))]
        self.kept.append(obj)
        if isinstance(obj, MethodType):
            shape, words = self.shape(self.lift(obj.__self__, value.path and f"{value.path}.__self__"))
            return ("method", id(obj.__func__), shape), words
        if obj is None or isinstance(obj, str) or (is_dataclass(obj) and obj.__hash__ is not None):
            return ("value", obj), []
        return ("at", self.owner(value.path), value.path) if value.path else ("object", id(obj)), []

    def rebuild(self, value: Value, names: list[str]) -> Value:
        """Return the parameter for an argument: its words are the next of ``names``."""
        match value:
            case Static(obj):
                return Word(names.pop(0)) if isinstance(obj, int) and not isinstance(obj, type) else value
            case Word():
                return Word(names.pop(0))
            case Row(_, width):
                return Row(f"P({names.pop(0)})", width)
            case Record(_, kind):
                return Record(f"P({names.pop(0)})", kind)
            case Stream():
                return Stream(f"(u64 *)P({names.pop(0)})")
            case OneOf(objs, _, path):
                return OneOf(objs, names.pop(0), path)
            case Group(items):
                return Group([self.rebuild(x, names) for x in items])
            case Choice(_, yes, no):
                test = names.pop(0)
                return Choice(test, self.rebuild(yes, names), self.rebuild(no, names))
            case Call(function, args):
                built = [self.rebuild(x, names) for x in (function, *args)]
                assert isinstance(built[0], Static | Closure)
                return Call(built[0], built[1:])
            case Closure(node, env, home):
                return Closure(node, env | {name: self.rebuild(env[name], names) for name in captured(value)}, home)
        raise Unsupported("arguments", type(value).__name__)


def is_constant(obj: Any) -> bool:
    """Return whether an object's attributes are the same in every case of a kernel."""
    parameters: Any = getattr(type(obj), "__dataclass_params__", None)
    return (parameters is not None and parameters.frozen) or isinstance(obj, ModuleType | Strategy)


def captured(closure: Closure) -> tuple[str, ...]:
    """Return the names that a closure takes from around it."""
    return tuple(name for name in sorted(free_names(closure.node)) if name in closure.env)


def returns_coroutine(function: Callable[..., Any]) -> bool:
    """Return whether a call of ``function`` gives something to await."""
    if inspect.iscoroutinefunction(function):
        return True
    said = function.__annotations__.get("return", "") if isinstance(function, FunctionType) else ""
    return isinstance(said, str) and said.startswith(("Coroutine", "Awaitable"))
