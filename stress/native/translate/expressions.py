"""Expressions: names, attributes, arithmetic, comparisons, conditions."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

from sim.core.arena import Column
from sim.core.machine import Machine
from stress.native.translate.emitter import Emitter
from stress.native.translate.sources import member
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import (
    Cells,
    Choice,
    Closure,
    Group,
    Method,
    OneOf,
    Primitive,
    Record,
    Row,
    Static,
    Stream,
    Value,
    Word,
    number,
)
from stress.patch.counting import CountedValue

ARITHMETIC: dict[type[ast.operator], tuple[Callable[[Any, Any], Any], str]] = {
    ast.Add: (operator.add, "({} + {})"), ast.Sub: (operator.sub, "({} - {})"), ast.Mult: (operator.mul, "mul({}, {})"),
    ast.FloorDiv: (operator.floordiv, "fdiv({}, {})"), ast.Mod: (operator.mod, "fmod_({}, {})"),
    ast.LShift: (operator.lshift, "shl({}, {})"), ast.RShift: (operator.rshift, "shr({}, {})"),
    ast.BitAnd: (operator.and_, "({} & {})"), ast.BitOr: (operator.or_, "({} | {})"), ast.BitXor: (operator.xor, "({} ^ {})"),
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], tuple[Callable[[Any, Any], bool], str]] = {
    ast.Eq: (operator.eq, "=="), ast.NotEq: (operator.ne, "!="), ast.Lt: (operator.lt, "<"), ast.LtE: (operator.le, "<="),
    ast.Gt: (operator.gt, ">"), ast.GtE: (operator.ge, ">="),
}  # fmt: skip


class Expressions(Emitter):
    """What has a value, but for calls and lists."""

    def value(self, node: ast.expr) -> Value:
        translate = getattr(self, f"_x_{type(node).__name__}", None)
        if translate is None:
            raise Unsupported("dictionary" if isinstance(node, ast.Dict) else "expression", type(node).__name__)
        found: Value = translate(node)
        return found

    def condition(self, node: ast.expr) -> bool | str:
        """Translate a test."""
        return self.truth(self.either_or_both(node, False) if isinstance(node, ast.BoolOp) else self.value(node))

    def in_order(self, nodes: list[ast.expr]) -> list[Value]:
        """Translate expressions so that they are evaluated in order."""
        found: list[Value] = []
        for node in nodes:
            value, lines = self.aside(lambda node=node: self.value(node))  # type: ignore[misc]
            if lines:
                found = [Word(self.temp(v.c)) if isinstance(v, Word) and not v.simple else v for v in found]
                self.lines += lines
            found.append(value)
        return found

    # -- names and attributes --------------------------------------------------------------------------------------

    def _x_Constant(self, node: ast.Constant) -> Value:
        return Static(int(node.value)) if isinstance(node.value, bool) else Static(node.value)

    def _x_JoinedStr(self, node: ast.JoinedStr) -> Value:
        return Static("")

    def _x_Name(self, node: ast.Name) -> Value:
        if node.id in self.env:
            return self.env[node.id]
        if node.id in self.home.globals:
            return self.unit.lift(self.home.globals[node.id])
        if hasattr(builtins, node.id):
            return Static(getattr(builtins, node.id))
        raise Unsupported("name", node.id)

    def _x_NamedExpr(self, node: ast.NamedExpr) -> Value:
        self.assign(node.target, self.value(node.value))
        return self.env[node.target.id]

    def _x_Attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.value(node.value), node.attr)

    def attribute(self, owner: Value, name: str) -> Value:
        """Translate ``owner.name``."""
        if isinstance(owner, Choice):
            return self.select(owner.test, self.attribute(owner.yes, name), self.attribute(owner.no, name))
        if isinstance(owner, Record):
            method = isinstance(vars_of(owner.type.cls, name), FunctionType)
            return Method(owner, name) if method else self.field(owner, name)
        if isinstance(owner, Row | Word | Cells | Stream):
            return Method(owner, name)
        if isinstance(owner, OneOf):
            return self.of_one_of(owner, name)
        if not isinstance(owner, Static):
            raise Unsupported("attribute", name)
        if isinstance(owner.obj, Machine):
            return self.of_machine(name)
        if isinstance(owner.obj, Column):
            return self.of_column(owner, name)
        if id(owner.obj) in self.unit.held:
            return self.of_strategy(owner, name)
        counted = member(owner.obj, name)
        if isinstance(counted, CountedValue):
            self.emit(f"{self.unit.runs(counted.name)}++;")
        found = self.unit.attribute(owner, name)
        if found is None:
            found = self.call(Static(vars_of(type(owner.obj), name).fget), [owner], {})
        return found

    def of_machine(self, name: str) -> Value:
        """Return what the machine tells, or one of its methods."""
        known = {"current": "S.cur", "seq": "SEQ_KEPT" if self.is_async else "SEQ", "last_site": "LAST_SITE"}
        return Word(known[name]) if name in known else Primitive(name)

    def of_column(self, owner: Static, name: str) -> Value:
        """Return an attribute of a column; its cells are the column itself."""
        column: Column = owner.obj
        if name == "view":
            return owner
        if name == "count":
            return Word(f"n_{column.name}")
        if name in ("id", "r", "w", "x", "name"):
            return Static(getattr(column, name))
        return Method(owner, name)

    def of_one_of(self, owner: OneOf, name: str) -> Value:
        """Return an attribute that all the objects share, or that is each one's index; or a bound
        method.
        """
        static = vars_of(type(owner.objs[0]), name)
        if isinstance(static, property):
            return self.call(Static(static.fget), [owner], {})
        if callable(static):
            return Method(owner, name)
        values = [getattr(obj, name) for obj in owner.objs]
        if all(value is values[0] for value in values) and not isinstance(values[0], int):
            return self.unit.lift(values[0], f"{owner.path}[0].{name}")
        if values == list(range(len(values))):
            return Word(owner.index)
        raise Unsupported("attribute", name)

    def of_strategy(self, owner: Static, name: str) -> Value:
        """Return what a strategy keeps in run-time memory, or an attribute that never changes."""
        kind = self.unit.held[id(owner.obj)].get(name)
        c = f"H_{type(owner.obj).__module__.rpartition('.')[2]}_{name}"
        if kind is None:
            found = self.unit.attribute(owner, name)
            assert found is not None
            return found
        return {"word": Word(c), "list": Row(c), "stream": Stream(f"&{c}"), "parked": Row("S.parked")}[kind]

    def select(self, test: str, yes: Value, no: Value) -> Value:
        """Return one of two values by a condition."""
        if isinstance(yes, Static) and isinstance(no, Static) and yes.obj is no.obj:
            return yes
        if all(isinstance(v, Word) or (isinstance(v, Static) and isinstance(v.obj, int)) for v in (yes, no)):
            return Word(f"({test} ? {self.c(yes)} : {self.c(no)})")
        return Choice(test, yes, no)

    # -- subscripts ------------------------------------------------------------------------------------------------

    def _x_Subscript(self, node: ast.Subscript) -> Value:
        owner = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            return self.slice(owner, node.slice)
        index = self.value(node.slice)
        if isinstance(owner, Static) and not isinstance(owner.obj, Column):
            return self.of_known(owner, index)
        if isinstance(owner, Group):
            return owner.items[index.obj] if isinstance(index, Static) else self.one_of(owner.items, index)
        if isinstance(owner, Row) and owner.width > 1:
            return self.element(owner, self.index(owner, index))
        return Word(self.lvalue(owner, index))

    def of_known(self, owner: Static, index: Value) -> Value:
        """Return an element of a tuple, list or dictionary that is there before anything runs."""
        obj, unit = owner.obj, self.unit
        if isinstance(index, Static):
            key = index.obj
            if isinstance(obj, list) and obj and not isinstance(obj[0], int) and owner.path:
                return OneOf(obj, number(key), owner.path)
            return unit.lift(obj[key], f"{owner.path}[{key!r}]" if owner.path else "")
        if isinstance(obj, tuple | list) and obj:
            if not all(isinstance(x, int) for x in obj):
                return OneOf(list(obj), self.c(index), owner.path)
            if not owner.path:
                return Word(f"{unit.table(tuple(obj))}[ix({self.c(index)}, {len(obj)})]")
            return Word(f"AT(P({unit.varying(owner)}), {self.c(index)})")
        raise Unsupported("dictionary")

    def one_of(self, items: list[Value], index: Value) -> Word:
        """Return one of several integers, by a run-time index."""
        words = ", ".join(self.c(item) for item in items)
        return Word(f"((const i64[]){{{words}}})[ix({self.c(index)}, {len(items)})]")

    def index(self, row: Row, index: Value) -> str:
        """Return an index into a list; one that is known to be negative counts from the end."""
        if isinstance(index, Static) and index.obj < 0:
            return f"{row.base}[0] - {-index.obj}"
        return self.c(index)

    def lvalue(self, owner: Value, index: Value) -> str:
        """Return a cell, or an element of a list, as something that can be assigned to."""
        if isinstance(owner, Choice):
            i = Word(self.plain(self.c(index)))
            return f"*({owner.test} ? &{self.lvalue(owner.yes, i)} : &{self.lvalue(owner.no, i)})"
        if isinstance(owner, Static) and isinstance(owner.obj, Column):
            return self.cell(owner.obj, self.c(index))
        if isinstance(owner, Row) and owner.width == 1:
            return f"AT({owner.base}, {self.index(owner, index)})"
        if isinstance(owner, Cells):
            return self.cell(owner.column, f"{owner.first} + {self.c(index)}")
        raise Unsupported("assignment", self.describe(owner))

    def slice(self, owner: Value, node: ast.Slice) -> Value:
        """Translate ``owner[a:b]``."""
        first = "0" if node.lower is None else self.plain(self.c(self.value(node.lower)))
        if isinstance(owner, Cells):
            owner = self.row_of(owner)
        if isinstance(owner, Row):
            row = self.new_row(owner.width)
            last = f"{owner.base}[0]" if node.upper is None else self.c(self.value(node.upper))
            self.emit(f"list_slice({row.base}, {owner.base}, {first}, {last}, {owner.width});")
            return row
        if not isinstance(owner, Static) or not isinstance(owner.obj, Column):
            raise Unsupported("slice", self.describe(owner))
        last = f"n_{owner.obj.name}" if node.upper is None else self.c(self.value(node.upper))
        return Cells(owner.obj, first, f"({last} - {first})")

    # -- operators -------------------------------------------------------------------------------------------------

    def _x_BinOp(self, node: ast.BinOp) -> Value:
        a, b = self.in_order([node.left, node.right])
        return self.binary(type(node.op), a, b)

    def binary(self, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Apply an operator."""
        if op not in ARITHMETIC:
            raise Unsupported("expression", op.__name__)
        known, form = ARITHMETIC[op]
        if isinstance(a, Static) and isinstance(b, Static):
            return Static(known(a.obj, b.obj))
        if isinstance(a, Row) and op is ast.Mult:
            return self.repeated(a, self.c(b))
        if isinstance(a, Row) and isinstance(b, Row) and op is ast.Add:
            row = self.new_row(a.width)
            self.copy_row(row, a)
            self.emit(f"list_extend({row.base}, {b.base}, {a.width});")
            return row
        return Word(form.format(self.c(a), self.c(b)))

    def repeated(self, row: Row, nr: str) -> Row:
        """Translate ``[x] * n``."""
        nr = self.plain(nr)
        if self.is_async:
            new = self.new_row()
            self.emit(f"list_fill({new.base}, {row.base}[1], {nr}, cap);")
            return new
        name = f"L{len(self.rows) + 1}"
        self.rows.append(f"{name} = 0")
        self.emit(f"{name} = list_take({nr}); list_fill({name}, {row.base}[1], {nr}, {nr});")
        return Row(name)

    def _x_UnaryOp(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            test = self.condition(node.operand)
            return Static(int(not test)) if isinstance(test, bool) else Word(f"(!{test})")
        value = self.value(node.operand)
        if isinstance(value, Static):
            return Static(-value.obj if isinstance(node.op, ast.USub) else ~value.obj)
        return Word(f"({'-' if isinstance(node.op, ast.USub) else '~'}{self.c(value)})")

    def _x_BoolOp(self, node: ast.BoolOp) -> Value:
        return self.either_or_both(node, not all(map(is_boolean, node.values)))

    def either_or_both(self, node: ast.BoolOp, valued: bool) -> Value:
        """Translate ``and`` and ``or``: parts that take statements become nested ifs; all do, if
        the value of the deciding part is wanted and not only its truth.
        """
        is_and = isinstance(node.op, ast.And)
        sofar, result = "", ""
        for at, part in enumerate(node.values):
            value, lines = self.aside(lambda part=part: self.value(part))  # type: ignore[misc]
            test = self.truth(value)
            last = at == len(node.values) - 1
            if not sofar:
                self.lines += lines
                if last or (isinstance(test, bool) and test != is_and):
                    return value if not isinstance(test, bool) or isinstance(value, Static) else Static(int(test))
                sofar = "" if isinstance(test, bool) else test
                continue
            if isinstance(test, bool) and test == is_and and not lines:
                continue
            c = self.c(value) if isinstance(value, Word) else self.as_word(test)
            if not result and not lines and not valued:
                sofar = f"({sofar} {'&&' if is_and else '||'} {c})"
                continue
            if not result:
                result = self.temp(sofar)
            self.lines += [f"if ({'' if is_and else '!'}{result}) {{", *lines, f"{result} = {c};", "}"]
        return Word(result or sofar)

    def _x_IfExp(self, node: ast.IfExp) -> Value:
        test = self.condition(node.test)
        if isinstance(test, bool):
            return self.value(node.body if test else node.orelse)
        test = self.plain(test)
        yes, on_yes = self.aside(lambda: self.value(node.body))
        no, on_no = self.aside(lambda: self.value(node.orelse))
        if isinstance(yes, Row) or isinstance(no, Row):
            return self.one_of_rows(test, yes, no, on_yes, on_no)
        if (on_yes or on_no) and all(isinstance(v, Word | Static) for v in (yes, no)):
            found = self.temp()
            self.either(test, [[*on_yes, f"{found} = {self.c(yes)};"], [*on_no, f"{found} = {self.c(no)};"]])
            return Word(found)
        if on_yes or on_no:
            self.either(test, [on_yes, on_no])
        pairs = [v.items if isinstance(v, Group) else self.tuple_of(v) for v in (yes, no)]
        if pairs[0] is not None and pairs[1] is not None and len(pairs[0]) == len(pairs[1]):
            return Group([self.select(test, a, b) for a, b in zip(*pairs, strict=True)])
        return self.select(test, yes, no)

    def tuple_of(self, value: Value) -> list[Value] | None:
        """Return the elements of a known tuple; None if it is none."""
        known = isinstance(value, Static) and isinstance(value.obj, tuple)
        return self.unit.items(value) if known else None  # type: ignore[arg-type]

    def either(self, test: str, sides: list[list[str]]) -> None:
        """Emit an if with an else."""
        self.lines += [f"if ({test}) {{", *sides[0], "} else {", *sides[1], "}"]

    def one_of_rows(self, test: str, yes: Value, no: Value, on_yes: list[str], on_no: list[str]) -> Row:
        """Return one of two lists, by its address."""
        found, width = self.temp(), yes.width if isinstance(yes, Row) else getattr(no, "width", 1)
        sides = []
        for value, lines in ((yes, on_yes), (no, on_no)):
            row, more = self.aside(lambda value=value: self.as_row(value))  # type: ignore[misc]
            sides.append([*lines, *more, f"{found} = (i64){row.base};"])
        self.either(test, sides)
        return Row(f"P({found})", width)

    # -- comparisons -----------------------------------------------------------------------------------------------

    def _x_Compare(self, node: ast.Compare) -> Value:
        op = node.ops[0]
        if isinstance(op, ast.In | ast.NotIn):
            return self.contained(node.left, node.comparators[0], isinstance(op, ast.NotIn))
        values = self.in_order([node.left, *node.comparators])
        if isinstance(op, ast.Is | ast.IsNot):
            found = self.identical(values[0], values[1])
            if isinstance(found, bool):
                return Static(int(found == isinstance(op, ast.Is)))
            return Word(found if isinstance(op, ast.Is) else f"(!{found})")
        pairs = list(zip(node.ops, values, values[1:], strict=False))
        if all(isinstance(v, Static) for v in values):
            return Static(int(all(COMPARISONS[type(o)][0](a.obj, b.obj) for o, a, b in pairs)))  # type: ignore[attr-defined]
        if isinstance(values[0], Row) and isinstance(values[1], Row):
            equal = f"list_equal({values[0].base}, {values[1].base})"
            return Word(equal if isinstance(op, ast.Eq) else f"(!{equal})")
        words = [self.c(v) for v in values]
        words = [self.plain(w) for w in words] if len(words) > 2 else words
        tests = [f"({a} {COMPARISONS[type(o)][1]} {b})" for o, a, b in zip(node.ops, words, words[1:], strict=False)]
        return Word(tests[0] if len(tests) == 1 else f"({' && '.join(tests)})")

    def identical(self, a: Value, b: Value) -> bool | str:
        """Return whether two values are one object, as far as that is known."""
        if isinstance(a, Choice):
            yes, no = self.identical(a.yes, b), self.identical(a.no, b)
            return yes if yes == no else f"({a.test} ? {self.as_word(yes)} : {self.as_word(no)})"
        if isinstance(a, Static) and isinstance(b, Static):
            return a.obj is b.obj
        if any(isinstance(v, Static) and v.obj is None for v in (a, b)):
            return False
        raise Unsupported("identity")

    def contained(self, left: ast.expr, right: ast.expr, negated: bool) -> Value:
        """Translate ``in`` and ``not in``."""
        a, b = self.in_order([left, right])
        items = b.items if isinstance(b, Group) else None
        if isinstance(b, Static) and isinstance(b.obj, tuple | list | frozenset | set):
            items = self.unit.items(Static(tuple(b.obj), b.path))
        if isinstance(a, Static) and items is not None and all(isinstance(x, Static) for x in items):
            return Static(int((a.obj in [x.obj for x in items]) != negated))  # type: ignore[attr-defined]
        if isinstance(b, Cells):
            b = self.row_of(b)
        if items is not None:
            word = self.plain(self.c(a))
            found = "(" + " || ".join(f"{word} == {self.c(x)}" for x in items) + ")" if items else "0"
        elif isinstance(b, Row):
            found = f"list_has({b.base}, {self.c(a)})"
        else:
            raise Unsupported("not a list", self.describe(b))
        return Word(f"(!{found})" if negated else found)

    # -- tuples, lambdas, awaits -----------------------------------------------------------------------------------

    def _x_Tuple(self, node: ast.Tuple) -> Value:
        inner = [part.value if isinstance(part, ast.Starred) else part for part in node.elts]
        found: list[Value] = []
        for part, value in zip(node.elts, self.in_order(inner), strict=True):
            found += self.parts(value) if isinstance(part, ast.Starred) else [value]
        if all(isinstance(v, Static) and not v.path for v in found):
            return Static(tuple(v.obj for v in found))  # type: ignore[attr-defined]
        return Group(found)

    def parts(self, value: Value) -> list[Value]:
        """Return the elements of a tuple."""
        if isinstance(value, Group):
            return value.items
        if isinstance(value, Static) and isinstance(value.obj, tuple | list | range):
            return self.unit.items(value)
        if isinstance(value, Choice):
            pairs = zip(self.parts(value.yes), self.parts(value.no), strict=True)
            return [self.select(value.test, yes, no) for yes, no in pairs]
        raise Unsupported("not a list", self.describe(value))

    def _x_Lambda(self, node: ast.Lambda) -> Value:
        env, args = dict(self.env), node.args
        for arg, default in zip(args.args[len(args.args) - len(args.defaults) :], args.defaults, strict=True):
            env[arg.arg] = self.value(default)
        return Closure(node, env, self.home)

    def _x_Await(self, node: ast.Await) -> Value:
        return self.await_(self.value(node.value))


def is_boolean(node: ast.expr) -> bool:
    """Return whether an expression is 0 or 1 by its form."""
    if isinstance(node, ast.BoolOp):
        return all(map(is_boolean, node.values))
    return isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def vars_of(cls: type, name: str) -> Any:
    """Return what the class's method order has under ``name``, unbound."""
    found = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)
    return found.value if isinstance(found, CountedValue) else found
