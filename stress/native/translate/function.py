"""One function of the model as one function of C.

A coroutine becomes a state machine. Its frame is a struct: where it stands, its arguments, and the
variables that live while the turn is handed over; its lists lie behind. ``switch (F->h.at)`` goes
to the place where it stood.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from stress.native.translate.flow.liveness import lent_by, live_at
from stress.native.translate.sources import home_of, label, named, node_of
from stress.native.translate.statements import Statements
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import Unit
from stress.native.translate.values import Closure, Row, Static, Value, Word, number

ROOM_BIT = 48
"""The first bit of a list in what is said of a frame's liveness, as in runtime.h."""

_TEMPORARY = re.compile(r"\bt\d+\b")
_VARIABLE = re.compile(r"(?<!->)(?<!\w)([A-Za-z_]\w*)\b(?!\()")


class Function(Statements):
    """The translation of ``function`` for arguments of certain shapes; ``words`` is how many
    run-time words they take.
    """

    def __init__(self, unit: Unit, function: Static | Closure, args: list[Value], is_async: bool, words: int) -> None:
        live: Any = function.obj if isinstance(function, Static) else None
        node = function.node if isinstance(function, Closure) else node_of(live)
        home = function.home if isinstance(function, Closure) else home_of(live)
        super().__init__(unit, node, home, is_async)
        self.function, self.args, self.nr_words = function, args, words
        self.c_name = unit.name(f"{self.name}__{label(home.file)}")
        self.body: list[str] = []

    @property
    def title(self) -> str:
        """File, line and qualified name of the source."""
        qualified = self.function.obj.__qualname__ if isinstance(self.function, Static) else self.name
        return f"{named(self.home.file)}:{self.node.lineno} {qualified}"

    # -- translating -----------------------------------------------------------------------------------------------

    def translate(self) -> None:
        """Translate the whole function."""
        try:
            self._parameters()
            if isinstance(self.node, ast.Lambda):
                self.give(self.value(self.node.body))
            else:
                self.block(self.node.body)
        except Unsupported as error:
            statement = self.node if isinstance(self.node, ast.Lambda) else self.node.body[0]
            raise error.at(statement, self.home, self.name) from None
        self.returned = self.returned or ("word",)
        self.body = self._finished()
        self.unit.done.append(self)

    def _parameters(self) -> None:
        """Bind the parameters, and what is captured from around."""
        arguments = self.node.args
        names = [arg.arg for arg in arguments.posonlyargs + arguments.args]
        if len(names) != len(self.args):
            raise Unsupported("arguments", f"{self.name}: {len(self.args)} for {len(names)}")
        self.params = self._words(names)
        pool = list(self.params)
        function = self.unit.rebuild(self.function, pool)
        if isinstance(function, Closure):
            self.env = dict(function.env)
        elif isinstance(self.function, Static):
            self._captured(self.function)
        for name, arg in zip(names, self.args, strict=True):
            self.env[name] = self.unit.rebuild(arg, pool)

    def _words(self, names: list[str]) -> list[str]:
        """Name the run-time words of the arguments: an integer by its parameter."""
        captured = self.nr_words - sum(len(self.unit.shape(arg)[1]) for arg in self.args)
        found = [self.fresh("captured") for _ in range(captured)]
        for name, arg in zip(names, self.args, strict=True):
            words = self.unit.shape(arg)[1]
            alone = len(words) == 1
            for word in words:
                c = self.fresh(name if alone else f"{name}_")
                found.append(c)
                if alone and isinstance(arg, Word | Static | Row) and word:
                    self.variables[name] = c
        return found

    def _captured(self, function: Static) -> None:
        """Bind what a live closure captured."""
        live: FunctionType = function.obj
        for at, (name, cell) in enumerate(zip(live.__code__.co_freevars, live.__closure__ or (), strict=True)):
            if name != "__class__" and name not in self.env:
                path = f"{function.path}.__closure__[{at}].cell_contents" if function.path else ""
                self.env[name] = self.unit.lift(cell.cell_contents, path)

    # -- the text --------------------------------------------------------------------------------------------------

    def _finished(self) -> list[str]:
        """Return the body's lines, with every variable in its place."""
        lines = self.lines
        if self.is_async:
            crossing = self._crossing()
            held = {*self.names, *self.params} | crossing
            self.held = [*self.params, *sorted(held - set(self.params))]

            def placed(found: re.Match[str]) -> str:
                return f"F->{found[1]}" if found[1] in held else found[1]

            lines = [line if line.startswith("//") else _VARIABLE.sub(placed, line) for line in lines]
            lines = [line.replace("@NEXT@", f"LIST({self.heads}, {self.caps})") for line in lines]
            self.temps = [name for name in self.temps if name not in crossing]
        return lines

    def _crossing(self) -> set[str]:
        """Return the temporaries that live while the function may stand: those that are used on
        both sides of a place where it may, and those from before a loop that has such a place in
        it, as the loop's next round uses them after it.
        """
        lines = [line for line in self.lines if not line.startswith("//")]
        region, crossing = 0, set[str]()
        regions, first = dict[str, int](), dict[str, int]()
        for at, line in enumerate(lines):
            for name in _TEMPORARY.findall(line):
                first.setdefault(name, at)
                if regions.setdefault(name, region) != region:
                    crossing.add(name)
            region += _stands(line)
        for begin, end in _loops(lines):
            if any(map(_stands, lines[begin:end])):
                used = {name for line in lines[begin:end] for name in _TEMPORARY.findall(line)}
                crossing |= {name for name in used if first[name] < begin}
        return crossing

    def prototype(self, whole: bool = True) -> str:
        """Return the declaration; of a coroutine, its frame too, of which a caller elsewhere need
        not see the ``whole``.
        """
        if not self.is_async:
            return f"i64 {self.c_name}({', '.join(['i64'] * len(self.params)) or 'void'});"
        held = self.held if whole else self.params
        fields = f" i64 {', '.join(held)};" if held else ""
        return f"struct {self.c_name} {{ struct head h;{fields} }};\nint {self.c_name}(struct {self.c_name} *F);"

    def _entered(self) -> str:
        """Return the line that says what is in a frame, for exhaustive search: how many of its
        words are arguments, which lists it lends, where its lists lie, and what of it is still
        read, place by place: a bit for each word, and from ROOM_BIT on one for each list.
        """
        rooms = [f"LIST({heads}, {caps})" for heads, caps, _ in self.room]
        assert len(self.held) <= ROOM_BIT and ROOM_BIT + len(rooms) < 63, f"{self.title}: the frame is too large"
        bits = {name: 1 << k for k, name in enumerate(self.held)}
        bits |= {room: 1 << ROOM_BIT + k for k, room in enumerate(rooms)}
        found, lent = live_at(self.body, rooms), sum(bits[room] for room in lent_by(self.body, rooms))
        masks = [sum(bits[name] for name in found.get(n, ())) & ~lent for n in range(self.places + 1)]
        places = [str(n) for place in self.room for n in place]
        return (
            f"ENTERED({len(self.params)}, {number(lent)}, ({', '.join([*places, '-1'])}),"
            f" ({', '.join(map(number, masks))}));"
        )

    def text(self) -> str:
        """Return the definition."""
        out = [f"/* {self.title} */"]
        if self.is_async:
            out.append(f"int {self.c_name}(struct {self.c_name} *F) {{")
            out += [f"  i64 {', '.join(self.temps)};"] if self.temps else []
            out += [
                f"  RAN({self.c_name});",
                "  switch (F->h.at) {",
                "  case 0:",
                f"  ROOM({self.heads}, {self.caps});",
                f"  {self._entered()}",
            ]
            out += self._indented(self.body)
            out += ["  }", "  RET[0] = 0;", "  return 1;", "}"]
            return "\n".join(out)
        parameters = ", ".join(f"i64 {name}" for name in self.params) or "void"
        out.append(f"i64 {self.c_name}({parameters}) {{")
        variables = [*sorted(self.names - set(self.params)), *self.temps]
        out += [f"  i64 {', '.join(variables)};"] if variables else []
        out += ["  i64 *const sp = SP;"] if self.rows else []
        out += [f"  i64 *{row};" for row in self.rows]
        out.append(f"  RAN({self.c_name});")
        out += self._indented(self.body)
        out += ["  GIVE(0);", "}"]
        give = "GIVE_BACK(" if self.rows else "GIVE("
        return "\n".join(line.replace("GIVE(", give) for line in out)

    def _indented(self, lines: list[str]) -> list[str]:
        out, depth = [], 1
        for line in lines:
            comment = line.startswith("//")
            depth -= line.startswith("}") and not comment
            out.append("  " * max(1, depth) + line)
            if not comment:
                depth += line.count("{") - line.count("}") + line.startswith("}")
        return out


def _stands(line: str) -> bool:
    """Return whether the turn may be handed over in a line of C."""
    return line.startswith(("STAND(", "CALL("))


def _loops(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the loops in lines of C: the numbers of the first line and of the one behind the last."""
    for begin, line in enumerate(lines):
        if line.startswith(("for (", "while (")):
            depth = 0
            for end, within in enumerate(lines[begin:], begin + 1):
                depth += within.count("{") - within.count("}")
                if depth == 0:
                    yield begin, end
                    break
