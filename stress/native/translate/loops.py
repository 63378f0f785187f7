"""Loops, comprehensions, and the built-in functions that take something to loop over."""

from __future__ import annotations

import ast
from collections.abc import Callable

from sim.core.arena import Column
from stress.native.translate.expressions import Expressions
from stress.native.translate.sources import awaits, width
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import Cells, Group, Lazy, Method, Row, Static, Value, Word, same

Body = Callable[[str], None]
"""Emits a loop's body; is given the label that ``continue`` goes to."""

ITERATORS = ("range", "enumerate", "reversed", "zip")


class Loops(Expressions):
    """What is done once for each element of something."""

    def loop(self, target: ast.expr, over: ast.expr, body: Body) -> None:
        """Emit a loop over an expression."""
        name = over.func.id if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) else ""
        if isinstance(over, ast.Call) and name in ITERATORS and name not in self.env:
            return getattr(self, f"_over_{name}")(target, over.args, body)  # type: ignore[no-any-return]
        value = self.value(over)
        if isinstance(value, Lazy):
            return self.loop(target, value.node, body)
        self.over(target, value, body)

    def over(self, target: ast.expr, value: Value, body: Body) -> None:
        """Emit a loop over a value: unrolled, if it is a tuple or known."""
        if isinstance(value, Static) and isinstance(value.obj, Column):
            value = Cells(value.obj, "0", f"n_{value.obj.name}")
        if isinstance(value, Cells) and self.is_async:
            value = self.row_of(value)
        if varying := self.unit.varying(value):
            value = Row(f"P({varying})")
        if isinstance(value, Cells):
            i, first, nr = self.kept(), self.kept(value.first), self.kept(value.count)
            name, cell = value.column.name, self.cell(value.column, f"{first} + {i}")
            self.emit(f"touch_cells(c_{name}, n_{name}, {first}, {nr});")
            return self.counted(f"{i} = 0; {i} < {nr}; {i}++", target, lambda: Word(cell), body)
        if isinstance(value, Row):
            i, row = self.kept(), value
            head = f"{i} = 0; {i} < {row.base}[0]; {i}++"
            return self.counted(head, target, lambda: self.element(row, i), body)
        for item in self.parts(value):
            again = self.label()
            self.assign(target, item)
            body(again)
            self.emit(f"{again}:;")

    def counted(self, head: str, target: ast.expr, element: Callable[[], Value], body: Body) -> None:
        """Emit ``for (head)``, its target bound to ``element`` in each round."""
        again, before = self.label(), dict(self.env)
        self.emit(f"for ({head}) {{")
        self.assign(target, element())
        body(again)
        self.emit(f"{again}:; }}")
        self.check_round(before)

    def check_round(self, before: dict[str, Value]) -> None:
        """Complain of a name that is another object at the end of a round than at its beginning."""
        for name, value in before.items():
            if name in self.env and not same(value, self.env[name]) and name in self.stores:
                raise Unsupported("rebound", name)

    def _over_range(self, target: ast.expr, args: list[ast.expr], body: Body) -> None:
        words = [self.c(v) for v in self.in_order(args)]
        first, last, step = ("0", words[0], "1") if len(words) == 1 else (*words, "1")[:3]
        i, end = self.kept(), last if last.lstrip("-").isdigit() else self.kept(last)
        if step.lstrip("-").isdigit():
            test = f"{i} {'>' if step.startswith('-') else '<'} {end}"
        else:
            step = self.kept(step)
            test = f"{step} > 0 ? {i} < {end} : {i} > {end}"
            self.emit(f"if (!{step}) bail(RAISED);")
        self.counted(f"{i} = {first}; {test}; {i} += {step}", target, lambda: Word(i), body)

    def _over_enumerate(self, target: ast.expr, args: list[ast.expr], body: Body) -> None:
        assert isinstance(target, ast.Tuple)
        first = self.c(self.value(args[1])) if len(args) > 1 else "0"
        n = self.kept(f"{first} - 1")

        def numbered(again: str) -> None:
            self.emit(f"{n}++;")
            self.assign(target.elts[0], Word(n))
            body(again)

        self.loop(target.elts[1], args[0], numbered)

    def _over_reversed(self, target: ast.expr, args: list[ast.expr], body: Body) -> None:
        row, i = self.list_of(args[0]), self.kept()
        head = f"{i} = {row.base}[0] - 1; {i} >= 0; {i}--"
        self.counted(head, target, lambda: self.element(row, i), body)

    def _over_zip(self, target: ast.expr, args: list[ast.expr], body: Body) -> None:
        assert isinstance(target, ast.Tuple)
        rows = [self.list_of(arg) for arg in args]
        i, ends = self.kept(), " && ".join(f"i < {row.base}[0]" for row in rows)
        head = f"{i} = 0; {ends.replace('i <', i + ' <')}; {i}++"
        self.counted(head, target, lambda: Group([self.element(row, i) for row in rows]), body)

    def list_of(self, node: ast.expr) -> Row:
        """Return an iterable as a list."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ITERATORS:
            row, x = self.new_row(), ast.Name(f"each_{len(self.lines)}", ast.Store())
            self.emit(f"{row.base}[0] = 0;")
            self.loop(x, node, lambda again: self.push(row, self.env[x.id]))
            return row
        return self.as_row(self.value(node))

    def as_row(self, value: Value) -> Row:
        """Return a value as a list: itself, or a copy."""
        if isinstance(value, Lazy):
            return self.list_of(value.node)
        if isinstance(value, Row):
            return value
        if isinstance(value, Static) and isinstance(value.obj, Column):
            value = Cells(value.obj, "0", f"n_{value.obj.name}")
        if isinstance(value, Cells):
            return self.row_of(value)
        items = self.parts(value)
        row = self.new_row(len(items[0].items) if items and isinstance(items[0], Group) else 1)
        self.emit(f"{row.base}[0] = 0;")
        for item in items:
            self.push(row, item)
        return row

    # -- comprehensions --------------------------------------------------------------------------------------------

    def generated(self, generators: list[ast.comprehension], body: Callable[[], None]) -> None:
        """Emit the loops of a comprehension around ``body``; its names are its own."""
        outer, names = dict(self.env), dict(self.variables)
        for generator in generators:
            for n in ast.walk(generator.target):
                if isinstance(n, ast.Name):
                    self.variables.pop(n.id, None)
                    self.env.pop(n.id, None)

        def level(at: int) -> None:
            if at == len(generators):
                return body()
            self.loop(generators[at].target, generators[at].iter, lambda again: inner(at, again))

        def inner(at: int, again: str) -> None:
            for test in generators[at].ifs:
                found = self.condition(test)
                if found is not True:
                    self.emit(f"if (!{self.as_word(found)}) goto {again};")
            level(at + 1)

        level(0)
        self.variables, self.env = self.variables | names, outer

    def _x_List(self, node: ast.List) -> Value:
        values = self.in_order(node.elts)
        row = self.new_row(len(values[0].items) if values and isinstance(values[0], Group) else 1)
        self.emit(f"{row.base}[0] = 0;")
        for value in values:
            self.push(row, value)
        return row

    _x_Set = _x_List

    def _x_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        if not awaits(node):
            known, lines = self.aside(lambda: self.known_list(node))
            if known is not None and not lines:
                return known
        row = self.new_row(width(node.elt))
        self.emit(f"{row.base}[0] = 0;")
        self.generated(node.generators, lambda: self.push(row, self.value(node.elt)))
        return row

    _x_SetComp = _x_GeneratorExp = _x_ListComp

    def known_list(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Static | None:
        """Return a comprehension over what is known, if all of it is."""
        generator, env = node.generators[0], dict(self.env)
        if len(node.generators) != 1 or not isinstance(generator.target, ast.Name):
            return None
        try:
            over = self.value(generator.iter)
            if not isinstance(over, Static) or over.path or not isinstance(over.obj, tuple | list):
                return None
            found = []
            for item in self.unit.items(over):
                self.env[generator.target.id] = item
                tests = [self.condition(test) for test in generator.ifs]
                value = self.value(node.elt)
                if not isinstance(value, Static) or not all(isinstance(test, bool) for test in tests):
                    return None
                found += [value.obj] if all(tests) else []
            return Static(found)
        except Unsupported:
            return None
        finally:
            self.env = env

    # -- built-in functions over an iterable ---------------------------------------------------------------------------

    def each(self, node: ast.expr, body: Callable[[Value], None]) -> None:
        """Emit ``body`` for each element of an iterable."""
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self.generated(node.generators, lambda: body(self.value(node.elt)))
        x = ast.Name(f"each_{len(self.lines)}", ast.Store())
        self.loop(x, node, lambda again: body(self.env[x.id]))

    def _b_any(self, node: ast.Call) -> Value:
        return self.searched(node, "0", lambda test: f"if ({test})", "1")

    def _b_all(self, node: ast.Call) -> Value:
        return self.searched(node, "1", lambda test: f"if (!{test})", "0")

    def searched(self, node: ast.Call, start: str, head: Callable[[str], str], found: str) -> Value:
        """Emit a search for the first element that decides."""
        result, end = self.kept(start), self.label()

        def body(value: Value) -> None:
            test = self.as_word(self.truth(value))
            self.emit(f"{head(test)} {{ {result} = {found}; goto {end}; }}")

        self.each(node.args[0], body)
        self.emit(f"{end}:;")
        return Word(result)

    def _b_next(self, node: ast.Call) -> Value:
        result, end = self.kept(), self.label()
        self.each(node.args[0], lambda value: self.emit(f"{result} = {self.c(value)}; goto {end};"))
        self.emit(f"{result} = {self.c(self.value(node.args[1]))};")
        self.emit(f"{end}:;")
        return Word(result)

    def _b_sum(self, node: ast.Call) -> Value:
        result = self.kept("0")
        self.each(node.args[0], lambda value: self.emit(f"{result} += {self.c(value)};"))
        return Word(result)

    def _b_min(self, node: ast.Call) -> Value:
        return self.extreme(node, "min_", "<")

    def _b_max(self, node: ast.Call) -> Value:
        return self.extreme(node, "max_", ">")

    def extreme(self, node: ast.Call, form: str, sign: str) -> Value:
        """Translate min and max: of several values, or the first of an iterable by its key."""
        if len(node.args) > 1:
            values = self.in_order(node.args)
            if all(isinstance(v, Static) for v in values):
                return Static((min if sign == "<" else max)(v.obj for v in values))  # type: ignore[attr-defined]
            found = self.c(values[0])
            for value in values[1:]:
                found = f"{form}({found}, {self.c(value)})"
            return Word(found)
        named = {k.arg: k.value for k in node.keywords}
        best, best_key, seen = self.kept(), self.kept(), self.kept("0")

        def body(value: Value) -> None:
            item = Word(self.plain(self.c(value)))
            key = self.plain(self.c(self.keyed(named.get("key"), item)))
            self.emit(
                f"if (!{seen} || {key} {sign} {best_key}) {{ {best} = {item.c}; {best_key} = {key}; {seen} = 1; }}"
            )

        self.each(node.args[0], body)
        default = named.get("default")
        self.emit(f"if (!{seen}) {best} = {self.c(self.value(default))};" if default else f"if (!{seen}) bail(RAISED);")
        return Word(best)

    def keyed(self, key: ast.expr | None, item: Value) -> Value:
        """Return a ``key=`` function's value."""
        if key is None:
            return item
        function = self.value(key)
        if isinstance(function, Method) and function.name == "__getitem__":
            return Word(self.lvalue(function.owner, item))
        return self.call(function, [item], {})

    def _b_len(self, node: ast.Call) -> Value:
        value = self.value(node.args[0])
        if isinstance(value, Static) and isinstance(value.obj, Column):
            return Word(f"n_{value.obj.name}")
        if isinstance(value, Row):
            return Word(f"{value.base}[0]")
        if isinstance(value, Cells):
            return Word(f"max_(0, {value.count})")
        return Static(len(self.parts(value)))

    def _b_sorted(self, node: ast.Call) -> Value:
        named = {k.arg: k.value for k in node.keywords}
        falling = self.condition(named["reverse"]) if "reverse" in named else False
        value = Lazy(node.args[0]) if isinstance(node.args[0], ast.Call) else self.value(node.args[0])
        if isinstance(value, Static) and not value.path and isinstance(value.obj, tuple | list):
            return Static(sorted(value.obj, reverse=bool(falling)))
        row = self.copied(value)
        if "key" in named:
            return self.sorted_by(row, named["key"])
        distinct = isinstance(node.args[0], ast.Set | ast.SetComp)
        self.emit(f"list_sort({row.base}, {self.as_word(falling)}, {int(distinct)});")
        return row

    def sorted_by(self, row: Row, key: ast.expr) -> Row:
        """Sort a list by a key: by insertion, which keeps the order of equals."""
        i, j, x, y = (self.kept() for _ in range(4))
        self.emit(f"for ({i} = 1; {i} <= {row.base}[0]; {i}++) {{ {x} = {row.base}[{i}]; {j} = {i};")
        mine = self.kept(self.c(self.keyed(key, Word(x))))
        self.emit(f"while ({j} > 1) {{ {y} = {row.base}[{j} - 1];")
        self.emit(f"if ({self.c(self.keyed(key, Word(y)))} <= {mine}) break;")
        self.emit(f"{row.base}[{j}--] = {y}; }}")
        self.emit(f"{row.base}[{j}] = {x}; }}")
        return row

    def _b_list(self, node: ast.Call) -> Value:
        return self.copied(Lazy(node.args[0]) if isinstance(node.args[0], ast.Call) else self.value(node.args[0]))

    def _b_reversed(self, node: ast.Call) -> Value:
        value = self.value(node.args[0])
        if isinstance(value, Static) and isinstance(value.obj, tuple | list) and not value.path:
            return Static(list(reversed(value.obj)))
        return Lazy(node)

    def copied(self, value: Value) -> Row:
        """Return a copy of an iterable, as a list."""
        if isinstance(value, Lazy):
            value = self.list_of(value.node)
        source = self.as_row(value)
        row = self.new_row(source.width)
        self.copy_row(row, source)
        return row

    def _b_enumerate(self, node: ast.Call) -> Value:
        return Lazy(node)

    _b_zip = _b_range = _b_enumerate

    def _b_divmod(self, node: ast.Call) -> Value:
        a, b = (self.plain(self.c(v)) for v in self.in_order(node.args))
        return Group([Word(f"fdiv({a}, {b})"), Word(f"fmod_({a}, {b})")])

    def _b_isinstance(self, node: ast.Call) -> Value:
        value, cls = self.value(node.args[0]), self.value(node.args[1])
        if not isinstance(value, Static) or not isinstance(cls, Static):
            raise Unsupported("identity", "isinstance")
        return Static(int(isinstance(value.obj, cls.obj)))
