"""The translator's last layer for plain mode: a coroutine is a function of C, a step is an access.

What runs besides the kernel in lockstep is left out: the turn, the log, those who wait, the
checkers and the ledger. Each step and some calls are counted, in a library that is compiled to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

from sim.checks.base import Checker
from sim.core.arena import Column
from sim.core.ledger import Ledger
from sim.core.machine import Machine
from stress.native.translate.calls import COUNTED
from stress.native.translate.function import Function
from stress.native.translate.sources import captures
from stress.native.translate.statements import is_coroutine
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import Unit
from stress.native.translate.values import Call, Closure, Primitive, Record, Row, Static, Value, Word

_RECORD = re.compile(r"i64 \*(L\d+) = list_take\((\d+)\);")
"""A record's memory: no more than variables, as nothing of it outlives its function."""


class PlainUnit(Unit):
    """A unit whose functions are plain. By the id of a live function, ``calls`` has a number for
    what is counted when called, and ``whole`` what is one function in the kernel, and its mark.
    """

    def __init__(self, kernel: Any, machine: Machine, calls: Mapping[int, int], whole: Mapping[int, str]) -> None:
        super().__init__(kernel, machine, PlainFunction)
        self.calls, self.whole = calls, whole


def live_method(part: object, name: str) -> Any:
    """Return the function that a call of ``part.name`` runs, without what counts a patch's runs."""
    found = getattr(part, name).__func__
    return captures(found)["method"] if found.__code__ is COUNTED else found


class PlainFunction(Function):
    """One function of the model as one function of C, coroutine or not."""

    unit: PlainUnit

    def __init__(self, unit: Unit, function: Static | Closure, args: list[Value], is_async: bool, words: int) -> None:
        super().__init__(unit, function, args, False, words)
        self.awaits = is_async

    def text(self) -> str:
        title, head, *body = super().text().split("\n")
        live = self.function.obj if isinstance(self.function, Static) else None
        number = self.unit.calls.get(id(live))
        lists = [self.env_row(arg, k) for k, arg in enumerate(self.args) if isinstance(arg, Row)]
        counted = [] if number is None else [f"  CALLED({number}, {lists[0] if lists else 0});"]
        body = [_RECORD.sub(r"i64 \1_[\2], *\1 = \1_;", line) for line in body]
        in_place = "IN_PLACE " if any(isinstance(arg, Record) for arg in self.args) else ""
        mark = self.unit.whole.get(id(live), in_place)
        return "\n".join([title, f"{mark}static {head}", *counted, *body])

    def env_row(self, arg: Row, at: int) -> str:
        """Return the length of the list that is parameter number ``at``."""
        words = sum(len(self.unit.shape(value)[1]) for value in self.args[:at])
        captured = self.nr_words - sum(len(self.unit.shape(value)[1]) for value in self.args)
        return f"P({self.params[captured + words]})[0]"

    # -- coroutines ------------------------------------------------------------------------------------------------

    def awaited(self, value: Call) -> Value:
        function, words = self.unit.function(value.function, value.args, True)
        return self.result(function, f"{function.c_name}({', '.join(words)})")

    def give(self, value: Value) -> None:
        if self.awaits and (isinstance(value, Call | Primitive) or is_coroutine(value)):
            value = self.await_(value)
        super().give(value)

    def call_known(self, function: Static, args: list[Value], named: dict[str, Value]) -> Value:
        """Call a live function, unless it is one of the checkers' or the ledger's."""
        f = function.obj
        owner = f.__self__ if isinstance(f, MethodType) else None
        if isinstance(owner, Checker | Ledger) or (isinstance(f, FunctionType) and is_of_ledger(f)):
            return Static(0)
        return super().call_known(function, args, named)

    # -- steps -----------------------------------------------------------------------------------------------------

    def tell(self, column: Column, i: str, old: str, new: str, holder: str, always: bool = False) -> None:
        """Tell nobody."""

    def _m_load(self, site: str, column: Column, i: str) -> Value:
        return Word(self.temp(f"LOAD({site}, {column.name}, {i})"))

    def _m_store(self, site: str, column: Column, i: str, value: Word, holder: Word | None = None) -> Value:
        self.emit(f"STORE({site}, {column.name}, {i}, {self.c(value)});")
        return Static(0)

    def _m_xchg(self, site: str, column: Column, i: str, value: Word, holder: Word | None = None) -> Value:
        return Word(self.temp(f"XCHG({site}, {column.name}, {i}, {self.c(value)})"))

    def _m_add(self, site: str, column: Column, i: str, delta: Word, holder: Word | None = None) -> Value:
        return Word(self.temp(f"ADD({site}, {column.name}, {i}, {self.c(delta)})"))

    def _m_rmw(self, site: str, column: Column, i: str, change: Value, holder: Word | None = None) -> Value:
        old = self.temp()
        self.emit(f"CHANGE({site}, {column.name}, {i}, {old})")
        self.emit(f"CHANGED({self.new_value(change, old)})")
        return Word(old)

    def _m_wait(self, site: str, column: Column, i: str, ready: Value) -> Value:
        if not isinstance(ready, Closure):
            raise Unsupported("predicate")
        self.emit(f"if (!{self.as_word(self.truth(self.inline(ready, [])))}) bail(STUCK);")
        return Word(self.temp(f"WAIT({site}, {column.name}, {i})"))

    def _m_access(self, args: list[Value]) -> Value:
        raise Unsupported("attribute", "machine.access: plain mode has no TLB")

    def _m_trylock(self, site: str, column: Column, i: str) -> Value:
        return Word(self.temp(f"TRYLOCK({site}, {column.name}, {i})"))

    def taken(self, site: str, column: Column, i: str, value: str) -> Value:
        self.emit(f"TAKE({site}, {column.name}, {i}, {value});")
        return Static(0)

    def released(self, site: str, column: Column, i: str, base: int, mine: str, value: str) -> Value:
        self.emit(f"{'RELEASE' if base == column.w else 'DOWNGRADE'}({site}, {column.name}, {i}, {value});")
        return Static(0)

    def _m_down_read(self, site: str, column: Column, i: str) -> Value:
        self.emit(f"if (ADD({site}, {column.name}, {i}, 1) <= 0) bail(STUCK);")
        return Static(0)

    def _m_down_read_trylock(self, site: str, column: Column, i: str) -> Value:
        self._m_down_read(site, column, i)
        return Static(1)

    def _m_up_read(self, site: str, column: Column, i: str) -> Value:
        self.emit(f"ADD({site}, {column.name}, {i}, -1);")
        return Static(0)

    def primitive(self, name: str, args: list[Value], named: dict[str, Value]) -> Value:
        """Translate a call of the machine: every choice is the plain one."""
        return Static(0) if name == "draw" else super().primitive(name, args, named)


def is_of_ledger(function: FunctionType) -> bool:
    """Return whether a function is the ledger's ``change``, a closure of its own."""
    return function.__qualname__.startswith(f"{Ledger.__name__}.")
