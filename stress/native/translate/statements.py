"""Statements."""

from __future__ import annotations

import ast
from typing import Any

from stress.native.translate.sources import awaits, said, walk
from stress.native.translate.steps import Steps
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import (
    Call,
    Cells,
    Choice,
    Closure,
    Group,
    Lazy,
    OneOf,
    Primitive,
    Record,
    Row,
    Static,
    Stream,
    Value,
    Word,
    same,
)

ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Statements(Steps):
    """What is done in order."""

    def block(self, body: list[ast.stmt]) -> None:
        """Translate statements in order."""
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Translate one statement, with its source as a comment before it."""
        translate = getattr(self, f"_s_{type(node).__name__}", None)
        try:
            if translate is None:
                raise Unsupported("statement", type(node).__name__)
            if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                self.emit(f"// {node.lineno}: {said(node)}".rstrip("\\"))
            translate(node)
        except Unsupported as error:
            raise error.at(node, self.home, self.name) from None

    def _s_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        value = self.value(node.value)
        if isinstance(value, Call | Primitive):
            raise Unsupported("not a coroutine", "it is never awaited")

    def _s_Pass(self, node: ast.Pass) -> None:
        pass

    def _s_Nonlocal(self, node: ast.Nonlocal) -> None:
        raise Unsupported("nonlocal")

    def _s_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.env[node.name] = Closure(node, self.env, self.home)

    _s_AsyncFunctionDef = _s_FunctionDef

    def _s_Assert(self, node: ast.Assert) -> None:
        test = self.condition(node.test)
        if test is not True:
            self.emit(f"if (!{self.as_word(test)}) bail({self.unit.check(self.name, node.lineno, self.home.file)});")

    def _s_Raise(self, node: ast.Raise) -> None:
        self.emit(f"bail({self.unit.check(self.name, node.lineno, self.home.file)});")

    # -- returning -------------------------------------------------------------------------------------------------

    def _s_Return(self, node: ast.Return) -> None:
        self.give(Static(None) if node.value is None else self.value(node.value))

    def give(self, value: Value) -> None:
        """Emit a return; a function that only makes a coroutine has it awaited here."""
        if self.is_async and (isinstance(value, Call | Primitive) or is_coroutine(value)):
            value = self.await_(value)
        if isinstance(value, Lazy | Cells):
            value = self.as_row(value)
        kind = self.kind(value)
        if self.returned is None:
            self.returned = kind
        elif not same_kind(self.returned, kind):
            raise Unsupported("returns", f"{self.returned[0]} and {kind[0]}")
        words = self.words_of(value)
        words = [self.temp(c) for c in words] if len(words) > 1 else words
        first = 0 if self.is_async else 1
        for k, c in enumerate(words[first:], first):
            self.emit(f"RET[{k}] = {c};")
        self.emit("return 1;" if self.is_async else f"GIVE({words[0] if words else '0'});")

    def kind(self, value: Value) -> tuple[Any, ...]:
        """Return what kind of value a function returns."""
        if isinstance(value, Row):
            return ("list", value.width)
        if isinstance(value, Group):
            return ("tuple", *(self.kind(item) for item in value.items))
        if isinstance(value, OneOf):
            return ("member", value.path, value.objs)
        if isinstance(value, Static) and value.obj is not None and not isinstance(value.obj, int):
            if isinstance(value.obj, tuple) and all(isinstance(x, int) for x in value.obj):
                return ("tuple", *(("word",) for _ in value.obj))
            return ("static", value)
        return ("word",)

    def words_of(self, value: Value) -> list[str]:
        """Return the words that a value is returned in."""
        if isinstance(value, Group):
            return [word for item in value.items for word in self.words_of(item)]
        if isinstance(value, Row):
            return [f"(i64){value.base}"]
        if isinstance(value, OneOf):
            return [value.index]
        if isinstance(value, Static) and self.kind(value)[0] != "word":
            return [word for x in self.tuple_of(value) or [] for word in self.words_of(x)]
        return [self.c(value)]

    # -- assignments -----------------------------------------------------------------------------------------------

    def _s_Assign(self, node: ast.Assign) -> None:
        names = [
            n.id for t in node.targets for n in walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        plain = all(isinstance(t, ast.Name | ast.Tuple) for t in node.targets)
        if names and plain and all(name in self.words_only for name in names) and not awaits(node.value):
            return
        target, value = node.targets[0], node.value
        if len(node.targets) > 1:
            found = self.value(value)
            found = Word(self.temp(found.c)) if isinstance(found, Word) else found
            for each in node.targets:
                self.assign(each, found)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            self.assign_each(target.elts, value.elts)
        elif isinstance(target, ast.Name) and is_empty_list(value):
            self.empty_row(target.id)
        else:
            self.assign(target, self.value(value))

    def assign_each(self, targets: list[ast.expr], nodes: list[ast.expr]) -> None:
        """``a, b = x, y``: everything is evaluated before anything is assigned."""
        values: list[Value | None] = []
        for target, node in zip(targets, nodes, strict=True):
            if is_empty_list(node) and isinstance(target, ast.Name):
                self.empty_row(target.id)
                values.append(None)
                continue
            value = self.value(node)
            values.append(Word(self.temp(value.c)) if isinstance(value, Word) else value)
        for target, found in zip(targets, values, strict=True):
            if found is not None:
                self.assign(target, found)

    def _s_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None or (isinstance(node.target, ast.Name) and node.target.id in self.words_only):
            return
        if isinstance(node.target, ast.Name) and is_empty_list(node.value):
            return self.empty_row(node.target.id)
        self.assign(node.target, self.value(node.value))

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.assign_name(target.id, value)
        elif isinstance(target, ast.Tuple):
            items = (
                self.parts(value)
                if not isinstance(value, Row)
                else [self.element(value, str(k)) for k in range(len(target.elts))]
            )
            if len(items) != len(target.elts):
                raise Unsupported("arguments", "to unpack")
            items = [Word(self.temp(x.c)) if isinstance(x, Word) and not x.simple else x for x in items]
            for part, item in zip(target.elts, items, strict=True):
                self.assign(part, item)
        elif isinstance(target, ast.Subscript):
            owner = self.value(target.value)
            if isinstance(target.slice, ast.Slice):
                raise Unsupported("slice")
            self.emit(f"{self.lvalue(owner, self.value(target.slice))} = {self.c(value)};")
        elif isinstance(target, ast.Attribute):
            self.assign_attribute(self.value(target.value), target.attr, value)
        else:
            raise Unsupported("assignment")

    def assign_attribute(self, owner: Value, name: str, value: Value) -> None:
        """Set a field of a record, or what a strategy keeps."""
        place = self.attribute(owner, name) if isinstance(owner, Record | Static) else None
        if isinstance(place, Word) and (isinstance(owner, Record) or place.c.startswith("H_")):
            self.emit(f"{place.c} = {self.c(value)};")
        elif isinstance(place, Row):
            self.copy_row(place, self.as_row(value))
        elif isinstance(place, Stream) and isinstance(value, Stream):
            self.emit(f"*({place.c}) = *({value.c});")
        else:
            raise Unsupported("assignment", name)

    def assign_name(self, name: str, value: Value) -> None:
        """Bind a name: an integer becomes a variable, unless it is known and bound once; a list is
        known by its address, as in Python; all else is what it is.
        """
        if isinstance(value, Cells):
            value = self.row_of(value)
        if isinstance(value, Static) and isinstance(value.obj, int) and not isinstance(value.obj, type):
            if self.stores.get(name) == 1 and name not in self.env:
                self.env[name] = value
                return
            value = Word(self.c(value))
        if isinstance(value, Word):
            old = self.env.get(name)
            variable = old.c if isinstance(old, Word) and old.c in self.params else self.variable(name)
            self.emit(f"{variable} = {value.c};")
            self.env[name] = Word(variable)
        elif isinstance(value, Row):
            self.assign_row(name, value)
        elif isinstance(value, Group):
            self.env[name] = Group([Word(self.kept(x.c)) if isinstance(x, Word) else x for x in value.items])
        elif isinstance(value, Choice):
            self.env[name] = Choice(self.kept(value.test), value.yes, value.no)
        elif isinstance(value, OneOf):
            self.env[name] = OneOf(value.objs, self.kept(value.index), value.path)
        else:
            self.env[name] = value

    def _s_AugAssign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            old = self.env[target.id]
            if isinstance(old, Row):
                row = self.as_row(self.value(node.value))
                self.emit(f"list_extend({old.base}, {row.base}, {old.width});")
                return
            self.assign(target, self.binary(type(node.op), old, self.value(node.value)))
            return
        if isinstance(target, ast.Subscript):
            place: Value = Word(
                self.lvalue(self.value(target.value), Word(self.plain(self.c(self.value(target.slice)))))
            )
        else:
            place = self.attribute(self.value(target.value), target.attr)
        if isinstance(place, Row):
            row = self.as_row(self.value(node.value))
            self.emit(f"list_extend({place.base}, {row.base}, {place.width});")
            return
        value = self.value(node.value)
        self.emit(f"{self.c(place)} = {self.c(self.binary(type(node.op), place, value))};")

    # -- branches and loops ----------------------------------------------------------------------------------------

    def _s_If(self, node: ast.If) -> None:
        test = self.condition(node.test)
        if isinstance(test, bool):
            self.block(node.body if test else node.orelse)
            return
        before = dict(self.env)
        self.emit(f"if ({test}) {{")
        self.block(node.body)
        one, self.env = self.env, before
        if node.orelse:
            self.emit("} else {")
            self.block(node.orelse)
        self.emit("}")
        other = self.env
        self.env = self.joined(one, other, ends(node.body), ends(node.orelse))

    def joined(
        self, one: dict[str, Value], other: dict[str, Value], one_ends: bool, other_ends: bool
    ) -> dict[str, Value]:
        """Return what the names stand for after two branches."""
        if one_ends or other_ends:
            return {**one, **other} if one_ends else {**other, **one}
        for name, value in one.items():
            if name in other and not same(value, other[name]):
                if not (isinstance(value, Word | Static) and isinstance(other[name], Word | Static)):
                    raise Unsupported("rebound", name)
                found = value if isinstance(value, Word) else other[name]
                if not isinstance(found, Word) or found.c != self.variables.get(name):
                    raise Unsupported("rebound", name)
        return {**other, **{name: value for name, value in one.items() if name not in other or isinstance(value, Word)}}

    def _s_While(self, node: ast.While) -> None:
        out, again, before = self.label(), self.label(), dict(self.env)
        self.emit("while (1) { spin();")
        test = self.condition(node.test)
        if test is not True:
            self.emit(f"if (!{self.as_word(test)}) break;")
        self.loops.append((out, again))
        self.block(node.body)
        self.loops.pop()
        self.emit(f"{again}:; }} {out}:;")
        self.check_round(before)

    def _s_For(self, node: ast.For) -> None:
        out = self.label()

        def body(again: str) -> None:
            self.loops.append((out, again))
            self.block(node.body)
            self.loops.pop()

        self.loop(node.target, node.iter, body)
        self.emit(f"{out}:;")

    def _s_Break(self, node: ast.Break) -> None:
        self.emit(f"goto {self.loops[-1][0]};")

    def _s_Continue(self, node: ast.Continue) -> None:
        self.emit(f"goto {self.loops[-1][1]};")


def ends(body: list[ast.stmt]) -> bool:
    """Return whether a branch does not come to its end."""
    return bool(body) and isinstance(body[-1], ENDS)


def is_empty_list(node: ast.expr) -> bool:
    """Return whether an expression is ``[]`` or ``list[int]()``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript) and isinstance(node.func.value, ast.Name):
        return node.func.value.id == "list" and not node.args
    return isinstance(node, ast.List) and not node.elts


def is_coroutine(value: Value) -> bool:
    """Return whether a value is one of two coroutines."""
    return isinstance(value, Choice) and isinstance(value.yes, Call | Primitive | Choice)


def same_kind(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Return whether two returned values may be of one function."""
    return a == b or (a[0] == b[0] == "static" and same(a[1], b[1]))
