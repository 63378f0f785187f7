"""The commands of the shell, by the names that gdb and rr have for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stress.errors import UsageError
from stress.trace.shell import actors, pages, words
from stress.trace.shell.state import State
from stress.trace.shell.stops import Breakpoint, Stop, Watchpoint, backward, cells_of, forward, until

if TYPE_CHECKING:
    from stress.trace.shell.film import Film

AROUND = 5
"""Steps that ``list`` shows before the place and from it on."""

TYPED = re.compile(r"[\w-]*$")
"""The word that is being typed."""

CELLS_MAX = 64
"""Cells that ``print`` shows of a column."""


class Quit(Exception):
    """The session is over."""


@dataclass(frozen=True)
class Command:
    """A command. ``do`` takes the rest of the line and yields lines of output; ``names`` returns
    what words in the rest may be, for completion.
    """

    about: str
    do: Callable[[str], Iterator[str]]
    names: Callable[[], Iterable[str]] = tuple


class Commands:
    """The commands, and the state of the film that they work on."""

    def __init__(self, film: Film) -> None:
        self.film, self.state = film, State(film)
        self.stops: list[Stop] = []
        self._numbers = 0
        self.subjects: dict[str, Callable[[str], Iterator[str]]] = {
            "actors": lambda _: actors.actors(film, self.state.at),
            "breaks": lambda _: self._breaks(),
            "columns": self._columns,
            "holders": lambda rest: pages.holders(self.state, self._number(rest, "holders PAGE")),
            "tlbs": lambda rest: pages.tlbs(self.state, self._number(rest, "tlbs PAGE")),
            "table": lambda rest: pages.table(self.state, self._number(rest or "0", "table MM")),
        }
        self.table = self._table()

    def _table(self) -> dict[str, Command]:
        columns, functions = self._cells, self._functions
        return {
            "step": Command("step [N]: make the next step, or N", lambda rest: self._step(rest, 1)),
            "reverse-step": Command("reverse-step [N]: take back a step, or N", lambda rest: self._step(rest, -1)),
            "continue": Command("continue: go on to the next stop, or to the end", lambda _: self._go(forward)),
            "reverse-continue": Command("reverse-continue: go back to a stop", lambda _: self._go(backward)),
            "until": Command(
                "until CONDITION: go on until it holds, as page_ref[3] == 0 and pte[5] != 0",
                lambda rest: self._until(rest, back=False),
                columns,
            ),
            "reverse-until": Command(
                "reverse-until CONDITION: go back until it holds", lambda rest: self._until(rest, back=True), columns
            ),
            "goto": Command("goto N: go to where N steps were made (or: start, end)", self._goto),
            "break": Command("break FUNCTION, break FUNCTION: LABEL: stop before such a step", self._break, functions),
            "watch": Command("watch COLUMN[INDEX]: stop where the cell changes", self._watch, columns),
            "delete": Command("delete [N]: delete a breakpoint or watchpoint, or all", self._delete),
            "info": Command(f"info {'|'.join(self.subjects)}: what there is, here", self._info, lambda: self.subjects),
            "print": Command("print COLUMN[INDEX], COLUMN[FIRST:END], COLUMN: what cells hold", self._print, columns),
            "list": Command("list [N]: the steps around this place, or around step N", self._list),
            "where": Command("where [ACTOR]: the calls in which an actor is", self._where, self._actors),
            "help": Command("help [COMMAND]: this list, or one line of it", self._help, lambda: self.table),
            "quit": Command("quit: leave; so does Ctrl-D", self._quit),
        }

    def run(self, text: str) -> list[str]:
        """Return what a command says. Raises UsageError, and Quit at the end of the session."""
        word, _, rest = text.strip().partition(" ")
        return list(self.table[self.named(word)].do(rest.strip()))

    def named(self, word: str) -> str:
        """Return the command that a word names: its name, a beginning of it, or short for it.

        Raises UsageError.
        """
        if word in self.table or word in ALIASES:
            return ALIASES.get(word, word)
        found = [name for name in self.table if name.startswith(word)]
        if len(found) != 1:
            several = f" may be {' or '.join(found)}" if found else ""
            unknown = f" is no command{words.close(word, self.table) or '; help lists them'}"
            raise UsageError(f"'{word}'{several or unknown}")
        return found[0]

    def completions(self, line: str) -> list[str]:
        """Return what a line that is being typed may go on with."""
        word, space, rest = line.lstrip().partition(" ")
        if not space:
            return [name for name in self.table if name.startswith(word)]
        try:
            names = self.table[self.named(word)].names()
        except UsageError:
            return []
        typed = TYPED.search(rest)[0]  # type: ignore[index]
        return [name for name in names if name.startswith(typed)]

    def here(self) -> str:
        """Return the place in a line: the step that comes next, or how it ended."""
        if self.state.at < self.film.last:
            return actors.line(self.film, self.film.made[self.state.at], "=>")
        ending = self.film.ending
        what = f"{ending.checker} {ending.title}: {ending.message}" if ending.kind == "violation" else ending.reason
        return f"the end, after {self.film.last} steps: {ending.kind}{f', {what}' if what else ''}"

    # -- moving -----------------------------------------------------------------------------------------------------

    def _move(self, to: int) -> Iterator[str]:
        self.state.move(max(0, min(self.film.last, to)))
        yield self.here()

    def _step(self, rest: str, direction: int) -> Iterator[str]:
        count = words.number(rest) if rest else 1
        at, last = self.state.at, self.film.last
        if count > 0 and at == (0 if direction < 0 else last):
            raise UsageError(f"this is the {'start' if direction < 0 else 'end'} of the trace")
        if count < 1:
            raise UsageError(f"{count} steps cannot be made; write a number from 1")
        stop, reasons = (backward if direction < 0 else forward)(self.film, at, self.stops)
        sooner = bool(reasons) and abs(stop - at) <= count
        yield from reasons if sooner else ()
        yield from self._move(stop if sooner else at + direction * count)

    def _go(self, search: Callable[[Film, int, list[Stop]], tuple[int, list[str]]]) -> Iterator[str]:
        state, reasons = search(self.film, self.state.at, self.stops)
        yield from reasons
        yield from self._move(state)

    def _until(self, rest: str, back: bool) -> Iterator[str]:
        asked = words.condition(rest, self.state.counts)
        values = {cell: self.state.cell(*cell) for cell in cells_of(asked)}
        found = until(self.film, self.state.at, asked, values, back)
        if found is None:
            raise UsageError(f"it does not hold in any state {'before' if back else 'after'} this one")
        yield from self._move(found)

    def _goto(self, rest: str) -> Iterator[str]:
        at = {"start": 0, "end": self.film.last}.get(rest)
        at = words.number(rest) if at is None else at
        if not 0 <= at <= self.film.last:
            raise UsageError(f"the trace has {self.film.last} steps, and no {at}")
        yield from self._move(at)

    # -- stops ------------------------------------------------------------------------------------------------------

    def _add(self, make: Callable[[int], Stop]) -> Iterator[str]:
        self._numbers += 1
        self.stops.append(make(self._numbers))
        yield str(self.stops[-1])

    def _break(self, rest: str) -> Iterator[str]:
        site = words.site(rest, {step.site.name for step in self.film.made})
        yield from self._add(lambda number: Breakpoint(number, site))

    def _watch(self, rest: str) -> Iterator[str]:
        cell = words.cell(rest, self.state.counts)
        yield from self._add(lambda number: Watchpoint(number, cell))

    def _delete(self, rest: str) -> Iterator[str]:
        gone = [stop for stop in self.stops if not rest or stop.number == words.number(rest)]
        if rest and not gone:
            raise UsageError(f"no breakpoint or watchpoint {rest}; info breaks lists them")
        for stop in gone:
            self.stops.remove(stop)
        return iter(())

    def _breaks(self) -> Iterator[str]:
        yield from map(str, self.stops) if self.stops else ["no breakpoints or watchpoints"]

    # -- looking ----------------------------------------------------------------------------------------------------

    def _info(self, rest: str) -> Iterator[str]:
        word, _, about = rest.partition(" ")
        found = [name for name in self.subjects if name.startswith(word)] if word else []
        if len(found) != 1:
            raise UsageError(f"info knows {', '.join(self.subjects)}{f'; not {word}' if word else ''}")
        yield from self.subjects[found[0]](about.strip())

    def _number(self, rest: str, usage: str) -> int:
        if not rest:
            raise UsageError(f"of which? write info {usage}")
        return words.number(rest)

    def _columns(self, rest: str) -> Iterator[str]:
        for column in self.film.layout.fields:
            if rest in column.name and column.count:
                yield f"{column.name}[{column.count}] {column.klass}"

    def _print(self, rest: str) -> Iterator[str]:
        name, indices = words.cells(rest, self.state.counts)
        shown = list(indices) if len(indices) == 1 else [i for i in indices if self.state.cell(name, i)]
        for index in shown[:CELLS_MAX]:
            yield f"{name}[{index}] = {self.state.shown(name, index)}"
        if len(shown) > CELLS_MAX:
            yield f"... and {len(shown) - CELLS_MAX} more; print {name}[FIRST:END] shows some"
        elif len(shown) < len(indices):
            yield f"{len(indices) - len(shown)} of {len(indices)} cells are 0"

    def _list(self, rest: str) -> Iterator[str]:
        middle = words.number(rest) - 1 if rest else self.state.at
        if not 0 <= middle <= self.film.last:
            raise UsageError(f"the trace has steps 1 to {self.film.last}, and no {middle + 1}")
        for at in range(max(0, middle - AROUND), min(self.film.last, middle + AROUND)):
            yield actors.line(self.film, self.film.made[at], "=>" if at == self.state.at else "")
        if middle + AROUND > self.film.last and self.state.at == self.film.last:
            yield self.here()

    def _where(self, rest: str) -> Iterator[str]:
        slot = actors.slot_of(self.film, rest) if rest else self._following()
        yield from actors.calls(self.film, slot, self.state.at)

    def _following(self) -> int:
        """Return the slot of the actor that makes the next step, or has made the last."""
        made = self.film.made[self.state.at :] or self.film.made[-1:]
        return made[0].slot if made else next(iter(self.film.actors))

    def _help(self, rest: str) -> Iterator[str]:
        for name in [self.named(rest)] if rest else self.table:
            short = [one for one, command in ALIASES.items() if command == name]
            yield f"{self.table[name].about}{f' (short: {chr(32).join(short)})' if short else ''}"

    def _quit(self, rest: str) -> Iterator[str]:
        raise Quit

    # -- names ------------------------------------------------------------------------------------------------------

    def _cells(self) -> Iterable[str]:
        return [name for name, count in self.state.counts.items() if count]

    def _functions(self) -> Iterable[str]:
        return sorted({step.site.function for step in self.film.made})

    def _actors(self) -> Iterable[str]:
        return [name.rpartition(" ")[2] for name in self.film.actors.values()]


ALIASES = {
    "s": "step",
    "rs": "reverse-step",
    "c": "continue",
    "rc": "reverse-continue",
    "u": "until",
    "b": "break",
    "w": "watch",
    "d": "delete",
    "i": "info",
    "p": "print",
    "l": "list",
    "bt": "where",
    "h": "help",
    "q": "quit",
}
"""What is short for which command, as in gdb."""
