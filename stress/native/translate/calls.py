"""Calls: of functions and methods, of dataclasses, of what run-time values can do."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import zlib
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, MethodType, MethodWrapperType
from typing import Any

from stress.native.translate.expressions import vars_of
from stress.native.translate.loops import Loops
from stress.native.translate.sources import (
    captures,
    home_of,
    inner_function,
    is_objection,
    node_of,
    objects_always,
    walk,
)
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import returns_coroutine
from stress.native.translate.values import (
    Call,
    Cells,
    Choice,
    Closure,
    Group,
    Method,
    OneOf,
    Primitive,
    Record,
    RecordType,
    Row,
    Static,
    Stream,
    Value,
    Word,
)
from stress.patch.counting import counted
from stress.rng import words
from stress.scenario import Scenario

COUNTED = inner_function(counted)
"""What stands around each override of a patch."""

INLINE_MAX = 24
"""Expressions in a function that is written in place of its call."""


class Calling(Loops):
    """Everything with parentheses but the machine's primitives."""

    def _x_Call(self, node: ast.Call) -> Value:
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.env and function.id not in self.home.globals:
            builtin = getattr(self, f"_b_{function.id}", None)
            if builtin is not None:
                return builtin(node)  # type: ignore[no-any-return]
        if isinstance(function, ast.Attribute) and is_super(function.value):
            args, named = self.arguments(node)
            return self.call(self.inherited(function.attr), [self.env["self"], *args], named)
        if is_objection(node):
            return self.objection(node)
        value = self.value(function)
        if isinstance(value, Method) and isinstance(value.owner, Row | Word | Cells | Stream):
            return self.method(value.owner, value.name, node)
        args, named = self.arguments(node)
        return self.call(value, args, named)

    def arguments(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        """Translate the arguments of a call, in order."""
        plain = [arg.value if isinstance(arg, ast.Starred) else arg for arg in node.args]
        values = self.in_order(plain + [keyword.value for keyword in node.keywords])
        args: list[Value] = []
        for arg, value in zip(node.args, values, strict=False):
            args += self.parts(value) if isinstance(arg, ast.Starred) else [value]
        return args, {str(k.arg): v for k, v in zip(node.keywords, values[len(plain) :], strict=True)}

    def objection(self, node: ast.Call) -> Value:
        """A checker objects, or the machine fails: nothing of the words is translated."""
        self.emit(f"bail({self.unit.check(self.name, node.lineno, self.home.file)});")
        return Static(0)

    def inherited(self, name: str) -> Static:
        """Return what ``super()`` finds."""
        this = self.env["self"]
        assert isinstance(this, Static)
        order = type(this.obj).__mro__
        for cls in order[order.index(self.home.cls) + 1 :]:
            if name in vars(cls):
                return Static(vars(cls)[name])
        raise Unsupported("attribute", f"super().{name}")

    # -- functions -------------------------------------------------------------------------------------------------

    def call(self, function: Value, args: list[Value], named: dict[str, Value]) -> Value:
        if isinstance(function, Closure):
            if isinstance(function.node, ast.AsyncFunctionDef):
                return Call(function, args)
            return self.inline(function, args)
        if isinstance(function, Choice):
            yes, no = (self.call(side, args, named) for side in (function.yes, function.no))
            if isinstance(yes, Call) and isinstance(no, Call):
                return Choice(function.test, yes, no)
            raise Unsupported("call", "of one of two functions that are no coroutines")
        if isinstance(function, Primitive):
            return self.primitive(function.name, args, named)
        if isinstance(function, Method):
            return self.call_method(function, args, named)
        if isinstance(function, Stream):
            return Word(self.temp(f"word({function.c})"))
        if not isinstance(function, Static):
            raise Unsupported("call", self.describe(function))
        return self.call_known(function, args, named)

    def call_method(self, method: Method, args: list[Value], named: dict[str, Value]) -> Value:
        """Call a method of a member of a family, or of a column."""
        if isinstance(method.owner, Record):
            return self.call(Static(vars_of(method.owner.type.cls, method.name)), [method.owner, *args], named)
        if isinstance(method.owner, OneOf):
            return self.call(Static(vars_of(type(method.owner.objs[0]), method.name)), [method.owner, *args], named)
        if isinstance(method.owner, Static) and method.name == "__getitem__":
            return Word(self.lvalue(method.owner, args[0]))
        if isinstance(method.owner, Static) and method.name == "tolist":
            return Cells(method.owner.obj, "0", f"n_{method.owner.obj.name}")
        raise Unsupported("method", method.name)

    def call_known(self, function: Static, args: list[Value], named: dict[str, Value]) -> Value:
        """Call a live function."""
        f = function.obj
        if f is words:
            return self.open_stream(args)
        if isinstance(f, MethodType):
            owner = self.unit.lift(f.__self__, function.path and f"{function.path}.__self__")
            known = self.of_scenario(f, args) if isinstance(f.__self__, Scenario) else None
            return known or self.call_known(Static(f.__func__), [owner, *args], named)
        if isinstance(f, FunctionType) and f.__code__ is COUNTED:
            inner = captures(f)
            self.emit(f"{self.unit.runs(inner['name'])}++;")
            return self.call_known(Static(inner["method"]), args, named)
        if isinstance(f, FunctionType):
            bound = self.bind(f, args, named)
            return Call(function, bound) if returns_coroutine(f) else self.call_plain(function, bound)
        within = getattr(f, "__self__", None)
        if isinstance(f, BuiltinMethodType | MethodWrapperType) and id(within) in self.unit.columns:
            return Word(self.lvalue(self.unit.lift(within), args[0]))
        if isinstance(f, type) and dataclasses.is_dataclass(f):
            return self.record(f, args, named)
        if f in (bool, int):
            test = self.truth(args[0]) if f is bool else self.c(args[0])
            return Static(int(test)) if isinstance(test, bool) else Word(f"({test} != 0)" if f is bool else test)
        if f is set and not args:
            raise Unsupported("not a list", "set()")
        if isinstance(f, BuiltinFunctionType | BuiltinMethodType) and all(isinstance(a, Static) for a in args):
            return Static(f(*[a.obj for a in args]))  # type: ignore[attr-defined]
        raise Unsupported("call", self.describe(function))

    def of_scenario(self, method: MethodType, args: list[Value]) -> Value | None:
        """Return what a scenario's method computes from its parameters alone: an entry."""
        if args or inspect.iscoroutinefunction(method.__func__):
            return None
        found = method()
        if isinstance(found, int) or (isinstance(found, tuple | list) and all(isinstance(x, int) for x in found)):
            return self.unit.lift(found, f"scenario.{method.__name__}()")
        return None

    def open_stream(self, args: list[Value]) -> Stream:
        """Translate ``words(seed, purpose)``: a stream in a variable of its own."""
        seed, purpose = args[0], args[1]
        assert isinstance(purpose, Static)
        actor = self.c(args[2]) if len(args) > 2 else "0"
        name = self.kept(f"(i64)stream((u64){self.c(seed)}, {zlib.crc32(purpose.obj.encode())}u, (u64){actor})")
        return Stream(f"(u64 *)&{name}")

    def bind(self, function: FunctionType, args: list[Value], named: dict[str, Value]) -> list[Value]:
        """Return the arguments in the order of the parameters, defaults filled in."""
        node = node_of(function)
        names = [arg.arg for arg in node.args.posonlyargs + node.args.args]
        defaults = function.__defaults__ or ()
        known = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        bound = list(args)
        for name in names[len(args) :]:
            if name not in named and name not in known:
                raise Unsupported("arguments", f"{function.__qualname__}: {name}")
            bound.append(named[name] if name in named else self.unit.lift(known[name]))
        if len(bound) != len(names):
            raise Unsupported("arguments", function.__qualname__)
        return [self.row_of(arg) if isinstance(arg, Cells) else arg for arg in bound]

    def call_plain(self, function: Static, args: list[Value]) -> Value:
        """Call a function that is no coroutine: its result is there at once."""
        node = node_of(function.obj)
        if objects_always(node):
            self.emit(
                f"bail({self.unit.check(function.obj.__name__, node.lineno, function.obj.__code__.co_filename)});"
            )
            return Static(0)
        made = returned_lambda(node)
        if made is not None:
            env = {arg.arg: value for arg, value in zip(node.args.args, args, strict=True)}
            return Closure(made, env, home_of(function.obj))
        if is_small(node) and not set(function.obj.__code__.co_freevars) - {"__class__"}:
            return self.inline(Closure(node, {}, home_of(function.obj)), args)
        translated, words_ = self.unit.function(function, args, False)
        return self.result(translated, f"{translated.c_name}({', '.join(words_)})")

    def inline(self, closure: Closure, args: list[Value]) -> Value:
        """Translate a closure that is one expression, in place."""
        node, saved = closure.node, (self.env, self.home)
        env = dict(closure.env) | dict(zip((arg.arg for arg in node.args.args), args, strict=False))
        for name in (arg.arg for arg in node.args.args):
            value = env[name]
            env[name] = Word(self.temp(value.c)) if isinstance(value, Word) and not value.simple else value
        self.env, self.home = env, closure.home
        try:
            return self.value(node.body if isinstance(node, ast.Lambda) else only_expression(node))
        finally:
            self.env, self.home = saved

    # -- results ---------------------------------------------------------------------------------------------------

    def result(self, function: Any, call: str) -> Value:
        """Take what a function returned, which RET holds but for a plain function's first word."""
        kind: tuple[Any, ...] = function.returned or ("word",)
        if kind[0] == "static":
            self.emit(f"{call};") if call else None
            return kind[1]  # type: ignore[no-any-return]
        if call and kind[0] in ("word", "list", "member"):
            first = self.temp(call)
            if kind[0] == "member":
                return OneOf(kind[2], first, kind[1])
            return Word(first) if kind[0] == "word" else self.own(Row(f"P({first})", kind[1]))
        if call:
            self.emit(f"RET[0] = {call};")
        value, _ = self.unpacked(kind, 0)
        return self.settled(value)

    def unpacked(self, kind: tuple[Any, ...], at: int) -> tuple[Value, int]:
        """Return the value of a kind whose words begin at RET[at], and where they end."""
        if kind[0] == "word":
            return Word(self.temp(f"RET[{at}]")), at + 1
        if kind[0] == "list":
            return Row(f"P({self.temp(f'RET[{at}]')})", kind[1]), at + 1
        if kind[0] == "member":
            return OneOf(kind[2], self.temp(f"RET[{at}]"), kind[1]), at + 1
        if kind[0] == "static":
            return kind[1], at
        items = []
        for inner in kind[1:]:
            item, at = self.unpacked(inner, at)
            items.append(item)
        return Group(items), at

    def settled(self, value: Value) -> Value:
        """Copy lists that a callee returned into lists of this function."""
        if isinstance(value, Row):
            return self.own(value)
        return Group([self.settled(item) for item in value.items]) if isinstance(value, Group) else value

    def own(self, row: Row) -> Row:
        """Return a copy of a list that this function keeps."""
        new = self.new_row(row.width)
        self.copy_row(new, row)
        return new

    # -- dataclasses -----------------------------------------------------------------------------------------------

    def record(self, cls: type, args: list[Value], named: dict[str, Value]) -> Value:
        """Make an object of a dataclass: one and the same if it is frozen and all of it is known."""
        fields = dataclasses.fields(cls)
        values = {f.name: Static(f.default) for f in fields} | dict(zip((f.name for f in fields), args, strict=False))
        values |= named
        known = [v.obj for v in values.values() if isinstance(v, Static)]
        if cls.__dataclass_params__.frozen and len(known) == len(values):  # type: ignore[attr-defined]
            key = (cls, *known)
            if key not in self.unit.frozen:
                self.unit.frozen[key] = cls(*known)
            return Static(self.unit.frozen[key])
        kind = self.record_type(cls, values)
        record = self.new_record(kind, sum(found[0] != "static" for found in kind.fields.values()))
        for name, value in values.items():
            found = kind.fields[name]
            if found[0] != "static":
                c = f"(i64){value.base}" if isinstance(value, Row | Record) else self.c(value)
                self.emit(f"{record.base}[{found[1]}] = {c};")
        return record

    def record_type(self, cls: type, values: dict[str, Value]) -> RecordType:
        """Return the shape of a record whose fields are of these kinds."""
        key = (cls, *(self.unit.shape(v)[0] for v in values.values()))
        if key not in self.unit.records:
            kind = self.unit.records[key] = RecordType(cls)
            at = 0
            for name, value in values.items():
                if isinstance(value, Row):
                    kind.fields[name] = ("list", at, value.width)
                elif isinstance(value, Record):
                    kind.fields[name] = ("record", at, value.type)
                elif isinstance(value, Word) or (isinstance(value, Static) and isinstance(value.obj, int)):
                    kind.fields[name] = ("word", at)
                else:
                    kind.fields[name] = ("static", value)
                at += kind.fields[name][0] != "static"
        return self.unit.records[key]

    # -- methods of run-time values ------------------------------------------------------------------------------------

    def method(self, owner: Value, name: str, node: ast.Call) -> Value:
        """Call a method of a run-time value."""
        if isinstance(owner, Cells) and name == "tolist":
            return owner
        if isinstance(owner, Row) and name == "append":
            self.push(owner, self.value(node.args[0]))
            return Static(0)
        if isinstance(owner, Row) and name == "pop" and not node.args:
            return Word(self.temp(f"list_pop({owner.base})"))
        if isinstance(owner, Row) and name == "copy":
            return self.own(owner)
        if isinstance(owner, Word) and name == "bit_length":
            return Word(f"bit_length({owner.c})")
        raise Unsupported("method", name)


def is_super(node: ast.expr) -> bool:
    """Return whether an expression is ``super()``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def returned_lambda(node: Any) -> ast.Lambda | None:
    """Return the lambda that a function consists in returning."""
    body = [] if isinstance(node, ast.Lambda) else without_docstring(node.body)
    alone = len(body) == 1 and isinstance(body[0], ast.Return) and isinstance(body[0].value, ast.Lambda)
    return body[0].value if alone else None  # type: ignore[attr-defined]


def only_expression(node: Any) -> ast.expr:
    """Return the expression that a function consists in returning."""
    body = without_docstring(node.body)
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        raise Unsupported("call", f"{node.name}, which is more than one expression")
    return body[0].value


def is_small(node: Any) -> bool:
    """Return whether a function consists in returning an expression that is short enough to be
    written in place of the call.
    """
    body = [] if isinstance(node, ast.Lambda) else without_docstring(node.body)
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        return False
    return sum(isinstance(n, ast.expr) for n in walk(body[0])) <= INLINE_MAX


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a function but for its docstring."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
