"""The machine's primitives: each is a place where the turn may be handed over, then one step.

What each does is :mod:`stress.machine.lockstep`'s, in the same order: the step is logged, then the
column's watch is told, then those who wait on the cell are asked again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from itertools import count
from typing import Any

from sim.core.arena import Column, in_turn
from sim.core.pte import PFN_SHIFT
from sim.core.step import (
    FIELD_SHIFT,
    KIND_SHIFT,
    LOAD_THROUGH_TLB,
    STORE_THROUGH_TLB,
    TLB_SHIFT,
    VERSION_BITS,
    VERSION_MASK,
    WAIT,
)
from stress.native.translate.calls import Calling
from stress.native.translate.expressions import vars_of
from stress.native.translate.sources import free_names, inner_function
from stress.native.translate.subset import Unsupported
from stress.native.translate.values import (
    Call,
    Choice,
    Closure,
    Method,
    OneOf,
    Primitive,
    Row,
    Static,
    Value,
    Word,
    number,
)

READY_ARGS_MAX = 4
"""Words that a wait's condition may capture."""


class Steps(Calling):
    """Awaits, and the machine."""

    def await_(self, value: Value) -> Value:
        if isinstance(value, Primitive) and value.args is not None:
            return self.step(value.name, value.args)
        if isinstance(value, Choice):
            found = self.kept()
            test = self.kept(value.test)
            sides = [self.aside(lambda v=v: self.c(self.await_(v))) for v in (value.yes, value.no)]  # type: ignore[misc]
            self.either(test, [[*lines, f"{found} = {c};"] for c, lines in sides])
            return Word(found)
        if isinstance(value, Word | Row) or (isinstance(value, Static) and isinstance(value.obj, int)):
            return value
        if not isinstance(value, Call):
            raise Unsupported("not a coroutine", self.describe(value))
        return self.awaited(value)

    def awaited(self, value: Call) -> Value:
        """Translate the await of a coroutine of the model: its frame lies behind this one's."""
        function, words = self.unit.function(value.function, value.args, True)
        n = self.place()
        passed = "".join(f" G->{name} = {word};" for name, word in zip(function.params, words, strict=True))
        self.emit(f"{{ struct {function.c_name} *G = (void *)@NEXT@;{passed}")
        self.emit(f"CALL({n}, {function.c_name}); }}")
        return self.result(function, "")

    def primitive(self, name: str, args: list[Value], named: dict[str, Value]) -> Value:
        """Translate a call of the machine: a step waits for its await, the rest is done at once."""
        if name in ("suspend", "resume"):
            self.emit(f"{'suspend' if name == 'suspend' else 'resume_'}({self.c(args[0])});")
            return Static(0)
        if name == "draw":
            return Word(self.temp(f"draw({self.c(args[1])})"))
        if name == "code_at":
            return Word(self.temp(f"CODE_AT({self.plain(self.c(args[0]))})"))
        if name == "poke":
            assert isinstance(args[0], Static)
            column, i, value = args[0].obj, self.plain(self.c(args[1])), self.plain(self.c(args[2]))
            old = self.temp(self.cell(column, i))
            self.emit(f"{self.cell(column, i)} = {value};")
            self.tell(column, i, old, value, "0")
            return Static(0)
        return Primitive(name, [*args, *named.values()])

    def step(self, name: str, args: list[Value]) -> Value:
        """Translate one step."""
        translate: Callable[..., Value] | None = getattr(self, f"_m_{name}", None)
        if translate is None:
            raise Unsupported("attribute", f"machine.{name}")
        if name == "access":
            return translate(args)
        if isinstance(args[1], Choice):
            return self.chosen_column(name, args, args[1])
        column = args[1]
        assert isinstance(column, Static) and isinstance(column.obj, Column), "a primitive takes a column"
        i = self.plain(self.c(args[2]))
        more = [
            a if isinstance(a, Closure | Static | Method) and not is_word(a) else Word(self.plain(self.c(a)))
            for a in args[3:]
        ]
        return translate(self.c(args[0]), column.obj, i, *more)

    def chosen_column(self, name: str, args: list[Value], column: Choice) -> Value:
        """A step on one of two columns, by a run-time condition."""
        test, found = self.plain(column.test), self.kept()
        fixed = [Word(self.kept(self.c(a))) if is_word(a) else a for a in args]
        sides = []
        for side in (column.yes, column.no):
            words = [fixed[0], side, *fixed[2:]]
            c, lines = self.aside(lambda words=words: self.c(self.step(name, words)))  # type: ignore[misc]
            sides.append([*lines, f"{found} = {c};"])
        self.either(test, sides)
        return Word(found)

    # -- turns -----------------------------------------------------------------------------------------------------

    def code(self, site: str, base: int, i: str) -> str:
        """Return a temporary that holds the step's code."""
        return self.temp(f"{site} + {number(base)} + {i}")

    def turn(self, code: str) -> None:
        """Emit the place before a step where the turn may be handed over."""
        self.emit(f"STAND({self.place()}, turn({code}));")

    def wait_turn(self, call: str) -> None:
        """Emit the place before a step that cannot always be made."""
        self.emit(f"STAND({self.place()}, {call});")
        self.emit("end_wait(ME);")

    def cell_of(self, column: Column, i: str) -> str:
        """Return a temporary that holds the address of a cell."""
        return self.temp(f"(i64)&{self.cell(column, i)}")

    # -- plain steps -----------------------------------------------------------------------------------------------

    def _m_load(self, site: str, column: Column, i: str) -> Value:
        code = self.code(site, column.r, i)
        self.turn(code)
        value = self.temp(self.cell(column, i))
        self.emit(f"EMIT({code}, {value});")
        self.looked(column, i)
        return Word(value)

    def changed(
        self, site: str, column: Column, i: str, base: int, new: Callable[[str], str], logged: str, holder: str
    ) -> Value:
        """A step that reads a cell and writes it; ``logged`` says which of old and new it gives."""
        code = self.code(site, base, i)
        self.turn(code)
        old = self.temp(self.cell(column, i))
        value = self.plain(new(old))
        given = old if logged == "old" else value
        self.emit(f"{self.cell(column, i)} = {value};")
        self.emit(f"EMIT({code}, {given});")
        self.tell(column, i, old, value, holder)
        return Word(given)

    def _m_store(self, site: str, column: Column, i: str, value: Word, holder: Word | None = None) -> Value:
        self.changed(site, column, i, column.w, lambda old: value.c, "new", holder.c if holder else "0")
        return Static(0)

    def _m_xchg(self, site: str, column: Column, i: str, value: Word, holder: Word | None = None) -> Value:
        return self.changed(site, column, i, column.x, lambda old: value.c, "old", holder.c if holder else "0")

    def _m_add(self, site: str, column: Column, i: str, delta: Word, holder: Word | None = None) -> Value:
        return self.changed(
            site, column, i, column.x, lambda old: f"{old} + {delta.c}", "new", holder.c if holder else "0"
        )

    def _m_rmw(self, site: str, column: Column, i: str, change: Value, holder: Word | None = None) -> Value:
        def new(old: str) -> str:
            return self.new_value(change, old)

        return self.changed(site, column, i, column.x, new, "old", holder.c if holder else "0")

    def new_value(self, change: Value, old: str) -> str:
        """Return what a read-modify-write makes of the cell's value."""
        if isinstance(change, Closure) and not isinstance(change.node, ast.Lambda) and len(change.node.body) > 1:
            function, words = self.unit.function(change, [Word(old)], False)
            return f"{function.c_name}({', '.join(words)})"
        return self.c(self.call(change, [Word(old)], {}))

    def _m_access(self, args: list[Value]) -> Value:
        """An access through a TLB entry: a miss, or a load or a store of the page's content."""
        tlb, content = args[1], args[5]
        assert isinstance(tlb, Static) and isinstance(content, Static)
        site, i, need, offset, store = (self.temp(self.c(args[k])) for k in (0, 2, 3, 4, 6))
        code, result = self.code(site, tlb.obj.r, i), self.kept()
        self.turn(code)
        entry = self.temp(self.cell(tlb.obj, i))
        self.emit(f"if (({entry} & {need}) != {need}) {{ EMIT({code}, {entry}); {result} = -1; }} else {{")
        pfn = self.temp(f"({entry} >> {PFN_SHIFT}) + {offset}")
        version = self.temp(f"{store} ? NEW_VERSION : {self.cell(content.obj, pfn)}")
        through = [number(kind << KIND_SHIFT) for kind in (STORE_THROUGH_TLB, LOAD_THROUGH_TLB)]
        self.emit(
            f"EMIT({site} + ({store} ? {through[0]} : {through[1]}) + {number(content.obj.id << FIELD_SHIFT)} + {pfn},"
            f" {number(tlb.obj.id << TLB_SHIFT)} | {i} << {VERSION_BITS} | ({version} & {VERSION_MASK}));"
        )
        accessed: Any = self.unit.machine.accessed
        if accessed is not None:
            self.call(
                Static(accessed, "kernel.machine.accessed"), [tlb, *(Word(w) for w in (i, pfn, offset, store))], {}
            )
        self.emit(f"if ({store}) {{")
        old = self.temp(self.cell(content.obj, pfn))
        self.emit(f"{self.cell(content.obj, pfn)} = {version};")
        self.tell(content.obj, pfn, old, version, "0")
        self.emit(f"}} {result} = {version}; }}")
        return Word(result)

    # -- locks and waits -------------------------------------------------------------------------------------------

    def taken(self, site: str, column: Column, i: str, value: str) -> Value:
        """A step that takes a lock."""
        code, cell, word = self.code(site, column.x, i), self.cell_of(column, i), self.kept(value)
        self.wait_turn(f"take_turn({code}, P({cell}))")
        self.emit(f"{self.cell(column, i)} = {word};")
        self.emit(f"EMIT({code}, {word});")
        self.tell(column, i, "0", word, "0", always=True)
        return Static(0)

    def _m_lock(self, site: str, column: Column, i: str) -> Value:
        return self.taken(site, column, i, "S.cur + 1")

    def _m_down_write(self, site: str, column: Column, i: str) -> Value:
        return self.taken(site, column, i, "-1 - S.cur")

    def _m_trylock(self, site: str, column: Column, i: str) -> Value:
        code = self.code(site, column.x, i)
        self.turn(code)
        old = self.temp(self.cell(column, i))
        self.emit(f"if (!{old}) {self.cell(column, i)} = S.cur + 1;")
        self.emit(f"EMIT({code}, {old});")
        self.emit(f"if (!{old}) {{")
        self.tell(column, i, "0", "(S.cur + 1)", "0", always=True)
        self.emit("}")
        return Word(f"(!{old})")

    def _m_unlock(self, site: str, column: Column, i: str) -> Value:
        return self.released(site, column, i, column.w, "S.cur + 1", "0")

    def _m_up_write(self, site: str, column: Column, i: str) -> Value:
        return self.released(site, column, i, column.w, "-1 - S.cur", "0")

    def _m_downgrade_write(self, site: str, column: Column, i: str) -> Value:
        return self.released(site, column, i, column.x, "-1 - S.cur", "1")

    def released(self, site: str, column: Column, i: str, base: int, mine: str, value: str) -> Value:
        """A step that lets a lock go, which must be the actor's own."""
        code = self.code(site, base, i)
        self.turn(code)
        old = self.temp(self.cell(column, i))
        self.emit(f"EMIT({code}, {value});")
        self.emit(f"if ({old} != {mine}) bail(NOT_OWNER);")
        self.emit(f"{self.cell(column, i)} = {value};")
        if value == "1":
            self.emit(f"hold(&{self.cell(column, i)});")
        self.tell(column, i, old, value, "0", always=True)
        return Static(0)

    def _m_down_read(self, site: str, column: Column, i: str) -> Value:
        code, cell = self.code(site, column.x, i), self.cell_of(column, i)
        self.wait_turn(f"await_turn({code}, P({cell}), may_read, {cell}, 0, 0, 0)")
        value = self.temp(f"++{self.cell(column, i)}")
        self.emit(f"hold(&{self.cell(column, i)}); EMIT({code}, {value});")
        self.tell(column, i, f"({value} - 1)", value, "0", always=True)
        return Static(0)

    def _m_down_read_trylock(self, site: str, column: Column, i: str) -> Value:
        code = self.code(site, column.x, i)
        self.turn(code)
        old = self.temp(self.cell(column, i))
        self.emit(f"EMIT({code}, {old});")
        self.emit(f"if ({old} >= 0) {{ ++{self.cell(column, i)}; hold(&{self.cell(column, i)});")
        self.tell(column, i, old, f"({old} + 1)", "0", always=True)
        self.emit("}")
        return Word(f"({old} >= 0)")

    def _m_up_read(self, site: str, column: Column, i: str) -> Value:
        code = self.code(site, column.x, i)
        self.turn(code)
        self.emit(f"if (!let_go(&{self.cell(column, i)})) bail(NOT_OWNER);")
        value = self.temp(f"--{self.cell(column, i)}")
        self.emit(f"EMIT({code}, {value});")
        self.tell(column, i, f"({value} + 1)", value, "0", always=True)
        return Static(0)

    def _m_wait(self, site: str, column: Column, i: str, ready: Value) -> Value:
        code = self.code(site, (WAIT << KIND_SHIFT) + (column.id << FIELD_SHIFT), i)
        condition, words = self.condition_of(ready)
        cell = self.cell_of(column, i)
        self.wait_turn(
            f"await_turn({code}, P({cell}), {condition}, {', '.join([*words, '0', '0', '0', '0'][:READY_ARGS_MAX])})"
        )
        value = self.temp(self.cell(column, i))
        self.emit(f"EMIT({code}, {value});")
        self.looked(column, i)
        return Word(value)

    def condition_of(self, ready: Value) -> tuple[str, list[str]]:
        """Return the C name of a wait's condition, and the words that it captures."""
        if not isinstance(ready, Closure):
            raise Unsupported("predicate")
        names = [n for n in sorted(free_names(ready.node)) if isinstance(ready.env.get(n), Word | OneOf)]
        if len(names) > READY_ARGS_MAX:
            raise Unsupported("predicate", f"captures {len(names)} integers")
        words, env = [], dict(ready.env)
        for k, name in enumerate(names):
            value = env[name]
            words.append(self.plain(value.index if isinstance(value, OneOf) else self.c(value)))
            if words[-1].startswith("a["):
                continue
            env[name] = OneOf(value.objs, f"a[{k}]", value.path) if isinstance(value, OneOf) else Word(f"a[{k}]")
        c, lines = self.aside(lambda: self.as_word(self.truth(self.inline(Closure(ready.node, env, ready.home), []))))
        if lines:
            return self.condition_function(ready)
        return self.unit.predicate(c), words

    def condition_function(self, ready: Closure) -> tuple[str, list[str]]:
        """Return the same of a condition that is more than an expression: a function of its own."""
        function, words = self.unit.function(ready, [], False)
        if len(words) > READY_ARGS_MAX:
            raise Unsupported("predicate", f"captures {len(words)} integers")
        words = [self.plain(c) for c in words]
        args = [c if c.startswith("a[") else f"a[{k}]" for k, c in enumerate(words)]
        return self.unit.predicate(f"{function.c_name}({', '.join(args)})"), words

    # -- who is told -----------------------------------------------------------------------------------------------

    def tell(self, column: Column, i: str, old: str, new: str, holder: str, always: bool = False) -> None:
        """Call the column's watches, and ask those who wait on the cell again, if anybody can; of a
        lock somebody ``always`` can.
        """
        watches, waitable = watches_of(column, type(self.unit.machine))
        for watch in watches:
            self.call(watch, [Word(i), Word(old), Word(new), Word(holder)], {})
        if waitable or always:
            self.emit(f"reconsider(&{self.cell(column, i)});")

    def looked(self, column: Column, i: str) -> None:
        """Call what is told of a column's reads."""
        look: Any = column.look
        if look is not None:
            self.call(Static(look, f"kernel.arena[{column.name!r}].look"), [Word(i)], {})


def is_word(value: Value) -> bool:
    """Return whether a value is an integer."""
    return isinstance(value, Word) or (isinstance(value, Static) and isinstance(value.obj, int))


def watches_of(column: Column, machine: type) -> tuple[list[Static], bool]:
    """Return what is told of a column's changes, in order (:meth:`sim.core.arena.Column.observe`),
    and whether actors wait on its cells, who are asked last.
    """
    both, waiters = inner_function(in_turn), inner_function(vars_of(machine, "waitable"))
    found: list[Static] = []
    waitable = False
    ahead: list[tuple[Any, str]] = [(column.watch, f"kernel.arena[{column.name!r}].watch")]
    while ahead:
        watch, path = ahead.pop(0)
        code = getattr(watch, "__code__", None)
        if code is both:
            cells = zip(both.co_freevars, count(), watch.__closure__, strict=False)
            places = {name: (cell.cell_contents, f"{path}.__closure__[{k}].cell_contents") for name, k, cell in cells}
            ahead[:0] = [places["first"], places["second"]]
        elif code is waiters:
            waitable = True
        elif watch is not None:
            if waitable:
                raise Unsupported("watch", f"{column.name}: told after those who wait")
            found.append(Static(watch, path))
    return found, waitable
